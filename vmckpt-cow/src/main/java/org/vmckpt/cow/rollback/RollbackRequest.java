package org.vmckpt.cow.rollback;

import java.util.Optional;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.cow.restore.RestoreRequest;

/**
 * What to put back, and to what.
 *
 * @param restore the checkpoint, and how it is restored; its QMP socket is that of the running
 *     guest
 * @param safety a checkpoint of the running guest that was taken just now, if there is one
 */
public record RollbackRequest(RestoreRequest restore, Optional<CheckpointId> safety) {}
