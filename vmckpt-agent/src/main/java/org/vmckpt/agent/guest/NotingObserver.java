package org.vmckpt.agent.guest;

import java.util.Optional;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.checkpoint.CheckpointReport;

/** Has the note written when what is tracked changes, and tells the next observer of all. */
record NotingObserver(CheckpointObserver next, Runnable writeNote) implements CheckpointObserver {
    @Override
    public void taken(String guest, Optional<String> schedule, CheckpointReport report) {
        next.taken(guest, schedule, report);
    }

    @Override
    public void failed(String guest, Optional<String> schedule, VmckptException failure) {
        next.failed(guest, schedule, failure);
    }

    @Override
    public void trackingChanged() {
        writeNote.run();
        next.trackingChanged();
    }

    @Override
    public void stateChanged() {
        next.stateChanged();
    }
}
