package org.vmckpt.cow.checkpoint;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.guard.Guard;
import org.vmckpt.cow.guard.Thaw;
import org.vmckpt.cow.guestagent.AgentSocketSearch;
import org.vmckpt.cow.guestagent.GuestAgent;

/**
 * A guest's file systems, which it holds still itself from before its stop until it goes on. From
 * the first word to the agent until it has confirmed the thaw, the guard and a note know of it.
 */
final class Freezing implements AutoCloseable {
    /** In the statistics of a manifest: whoever restores it must thaw. */
    static final String FROZEN_FILE_SYSTEMS = "frozenFileSystems";

    private static final Duration PATIENCE = Duration.ofSeconds(10);

    private final long pid;
    private final @Nullable Path socket;
    private final @Nullable GuestAgent agent;
    private @Nullable Guard warned;
    private int fileSystems;
    private long frozenNanos;

    private Freezing(long pid, @Nullable Path socket, @Nullable GuestAgent agent) {
        this.pid = pid;
        this.socket = socket;
        this.agent = agent;
    }

    /** Nothing is frozen yet, but the agent is there. */
    static Freezing prepare(Optional<Quiesce> wanted, GuestStatus status, GuestSession guest)
            throws VmckptException {
        if (wanted.isEmpty()) {
            return new Freezing(guest.pid(), null, null);
        }
        if (status == GuestStatus.STOPPED) {
            throw new RefusedException(
                    "checkpoint with --quiesce: the guest is stopped, so its agent cannot answer;"
                            + " send cont, or take the checkpoint without --quiesce");
        }
        Path socket =
                wanted.get().agentSocket().isPresent()
                        ? wanted.get().agentSocket().get().toAbsolutePath()
                        : search(guest);
        return new Freezing(guest.pid(), socket, GuestAgent.connect(socket));
    }

    private static Path search(GuestSession guest) throws VmckptException {
        AgentSocketSearch.Found found =
                AgentSocketSearch.find(guest.qmp(), guest.pid())
                        .orElseThrow(() ->
                                new UnsupportedException(
                                        "checkpoint with --quiesce: the guest has no channel to a"
                                            + " guest agent on a Unix socket; add -chardev"
                                            + " socket,id=agent,path=PATH,server=on,wait=off"
                                            + " -device virtio-serial -device"
                                            + " virtserialport,chardev=agent,name=org.qemu.guest_agent.0,"
                                            + " or name its socket with --guest-agent"));
        if (!found.open()) {
            throw new UnsupportedException(
                    "checkpoint with --quiesce: no guest agent runs in the guest; install and start"
                            + " qemu-guest-agent there");
        }
        return found.socket();
    }

    /** When this fails, {@link #close} thaws. */
    void freeze(Guard guard) throws VmckptException {
        if (agent == null || socket == null) {
            return;
        }
        guard.freezing(socket);
        warned = guard;
        FreezeNote.write(pid, socket);
        frozenNanos = System.nanoTime();
        fileSystems = agent.freeze();
    }

    /** The guest runs; when this fails the guard goes on trying, as soon as it is left alone. */
    void thaw() throws VmckptException {
        Guard guard = warned;
        if (guard == null || agent == null || socket == null) {
            return;
        }
        if (!thawedAtOnce(agent) && !Thaw.insist(socket, PATIENCE)) {
            throw new TransportException(
                    "checkpoint: the guest's file systems may still stand still: its agent at "
                            + socket
                            + " has not confirmed guest-fsfreeze-thaw; it is asked for some minutes"
                            + " more");
        }
        frozenNanos = System.nanoTime() - frozenNanos;
        guard.thawed();
        FreezeNote.remove(pid);
        warned = null;
    }

    /** Else over a new connection. */
    private static boolean thawedAtOnce(GuestAgent agent) {
        try {
            return Thaw.attempt(agent.channel());
        } catch (IOException e) {
            agent.close();
            return false;
        }
    }

    /** For the manifest. */
    Map<String, Long> statistics() {
        return agent == null
                ? Map.of()
                : Map.of(
                        FROZEN_FILE_SYSTEMS,
                        (long) fileSystems,
                        "frozenMicros",
                        frozenNanos / 1000);
    }

    @Override
    public void close() throws VmckptException {
        try {
            thaw();
        } finally {
            if (agent != null) {
                agent.close();
            }
        }
    }
}
