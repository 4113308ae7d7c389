package org.vmckpt.agent.guest;

import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.ErrorKind;
import org.vmckpt.core.libvirt.DomainEntry;
import org.vmckpt.cow.checkpoint.GuestAddress;

/**
 * What the agent knows of a guest.
 *
 * @param monitor as its checkpoints name it: a path, or {@code libvirt:} and a UUID once that is
 *     known
 * @param running whether a QEMU listens at its monitor, or its domain runs
 * @param trackedSince the checkpoint since which its memory is tracked
 * @param trackingLost says why, until the next checkpoint has read all of memory again
 * @param schedules that take checkpoints of it
 * @param lastFailure since the agent's start, and only if no checkpoint has succeeded after it
 */
public record GuestView(
        String name,
        String monitor,
        boolean running,
        GuestState state,
        Optional<Domain> domain,
        Optional<CheckpointId> trackedSince,
        Optional<String> trackingLost,
        List<String> schedules,
        Optional<Failure> lastFailure) {

    /**
     * A guest of libvirt.
     *
     * @param name its name there; as it is configured, if libvirt has never shown it
     */
    public record Domain(String uri, String name, Optional<String> uuid) {
        static Domain of(GuestAddress.Libvirt address, Optional<DomainEntry> seen) {
            return new Domain(
                    address.uri(),
                    seen.map(DomainEntry::name).orElse(address.domain()),
                    seen.map(it -> it.uuid().toString()));
        }

        /** As checkpoints name it. */
        String monitor() {
            return "libvirt:" + uuid.orElse(name);
        }
    }

    /** A checkpoint that failed. */
    public record Failure(Instant at, ErrorKind kind, String message) {}
}
