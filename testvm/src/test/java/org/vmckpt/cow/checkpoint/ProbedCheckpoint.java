package org.vmckpt.cow.checkpoint;

import java.util.function.Consumer;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;

/** A checkpoint that says how far its pause has come. */
public final class ProbedCheckpoint {
    private ProbedCheckpoint() {}

    /**
     * As {@link CheckpointService#checkpoint}.
     *
     * @param inPause hears the names of {@link PauseProbe.Moment}, while the guest stands still
     */
    public static CheckpointReport take(
            CheckpointRequest request, ProgressListener progress, Consumer<String> inPause)
            throws VmckptException {
        return CheckpointService.checkpoint(
                request, progress, new Cancellation(), moment -> inPause.accept(moment.name()));
    }
}
