package org.vmckpt.agent.guest;

import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.ErrorKind;

/**
 * What the agent knows of a guest.
 *
 * @param running whether a QEMU listens at its monitor
 * @param trackedSince the checkpoint since which its memory is tracked
 * @param trackingLost says why, until the next checkpoint has read all of memory again
 * @param schedules that take checkpoints of it
 * @param lastFailure since the agent's start, and only if no checkpoint has succeeded after it
 */
public record GuestView(
        String name,
        String monitor,
        boolean running,
        Optional<CheckpointId> trackedSince,
        Optional<String> trackingLost,
        List<String> schedules,
        Optional<Failure> lastFailure) {

    /** A checkpoint that failed. */
    public record Failure(Instant at, ErrorKind kind, String message) {}
}
