package org.vmckpt.agent.guest;

import java.util.Optional;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.checkpoint.CheckpointReport;

/** Hears what became of each checkpoint, in the guest's thread, and of guests. */
public interface CheckpointObserver {
    void taken(String guest, Optional<String> schedule, CheckpointReport report);

    void failed(String guest, Optional<String> schedule, VmckptException failure);

    /** What is tracked has changed. */
    void trackingChanged();

    /** One has come or gone. */
    void stateChanged();
}
