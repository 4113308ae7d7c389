package org.vmckpt.cow.checkpoint;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.guard.Thaw;

/**
 * Says that the file systems of a guest stand still because of us. Should vmckpt and its guard both
 * be killed, whoever takes hold of the guest next finds it, and so does the agent when it starts.
 * The guest's lock tells whether its author lives.
 */
public final class FreezeNote {
    private static final Logger LOG = LoggerFactory.getLogger(FreezeNote.class);
    private static final String PREFIX = "frozen-";
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private FreezeNote() {}

    private static Path file(long pid) {
        return RuntimeFolder.path().resolve(PREFIX + pid);
    }

    /** Before anything is frozen; the caller holds the guest, or has just started it. */
    public static void write(long pid, Path agentSocket) throws VmckptException {
        try {
            Files.createDirectories(RuntimeFolder.path());
            Files.writeString(file(pid), agentSocket.toString());
        } catch (IOException e) {
            throw new StorageException("note that a guest is frozen in " + file(pid) + ": " + e, e);
        }
    }

    /** Nothing is frozen any more. */
    public static void remove(long pid) {
        try {
            Files.deleteIfExists(file(pid));
        } catch (IOException e) {
            LOG.warn("{} cannot be removed: {}", file(pid), e.toString());
        }
    }

    /** The caller holds the guest: lets it go on if somebody who held it before was killed. */
    static void thawLeft(long pid) {
        Path socket;
        try {
            socket = Path.of(Files.readString(file(pid)));
        } catch (IOException e) {
            return; // As a rule there is none.
        }
        LOG.warn(
                "a checkpoint of the guest with QEMU pid {} was killed while its file systems were"
                        + " frozen; thaws them, unless its guard has",
                pid);
        if (Thaw.insist(socket, PATIENCE)) {
            remove(pid);
        } else {
            LOG.error(
                    "the guest with QEMU pid {} may still be frozen: its agent at {} does not"
                            + " answer; send it guest-fsfreeze-thaw",
                    pid,
                    socket);
        }
    }

    /** For all guests that nobody holds. */
    public static void thawAllLeft() {
        for (long pid : noted()) {
            if (ProcessHandle.of(pid).isEmpty()) {
                remove(pid);
                continue;
            }
            try (GuestLock _ = GuestLock.acquire(pid)) {
                thawLeft(pid);
            } catch (ConflictException e) {
                LOG.debug("the guest with QEMU pid {} is being checkpointed", pid);
            } catch (VmckptException e) {
                LOG.warn("looking for frozen guests: {}", e.getMessage());
            }
        }
    }

    private static List<Long> noted() {
        List<Long> pids = new ArrayList<>();
        try (DirectoryStream<Path> notes =
                Files.newDirectoryStream(RuntimeFolder.path(), PREFIX + "*")) {
            for (Path note : notes) {
                number(note.getFileName().toString().substring(PREFIX.length()))
                        .ifPresent(pids::add);
            }
        } catch (IOException e) {
            // The folder is made by the first who needs it.
        }
        return pids;
    }

    private static Optional<Long> number(String text) {
        return text.matches("\\d{1,9}") ? Optional.of(Long.valueOf(text)) : Optional.empty();
    }
}
