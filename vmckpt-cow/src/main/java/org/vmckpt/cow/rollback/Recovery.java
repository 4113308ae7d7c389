package org.vmckpt.cow.rollback;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.GuestLock;
import org.vmckpt.cow.linux.Errno;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.UnixPeer;
import org.vmckpt.cow.restore.RestoreReport;
import org.vmckpt.cow.restore.RestoreRequest;
import org.vmckpt.cow.restore.RestoreService;
import org.vmckpt.cow.serving.DetachedServer;

/**
 * Does what a journal says is to be done when a rollback has ended, well or not. Each step may have
 * been done before: whoever comes later begins anew.
 */
final class Recovery {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final long UNKNOWN_PID = -1;

    private final Path file;
    private final Journal journal;

    private Recovery(Path file, Journal journal) {
        this.file = file;
        this.journal = journal;
    }

    /**
     * As {@link #run}, for a process that does not hold the old guest.
     *
     * @throws ConflictException when another does: the rollback or its recovery is under way
     */
    static Optional<String> runAlone(Path file) throws VmckptException {
        Optional<Journal> journal = Journal.read(file);
        if (journal.isEmpty()) {
            return Optional.empty();
        }
        try (GuestLock _ = GuestLock.acquire(journal.get().old().pid())) {
            return run(file);
        }
    }

    /**
     * Leaves one guest. The caller holds the old one.
     *
     * @param file of the journal, which is gone when this returns
     * @return what became of the guest, as a sentence; empty if nothing had begun
     */
    static Optional<String> run(Path file) throws VmckptException {
        Optional<Journal> journal = Journal.read(file);
        if (journal.isEmpty()) {
            return Optional.empty();
        }
        Recovery recovery = new Recovery(file, journal.get());
        try {
            String outcome =
                    switch (journal.get().phase()) {
                        case STANDING, ENDED -> recovery.bringBack();
                        case REPLACED -> recovery.endOld();
                    };
            Files.deleteIfExists(file);
            return Optional.of(outcome);
        } catch (IOException e) {
            throw new StorageException(
                    "bringing back the guest at %s: %s; %s"
                            .formatted(journal.get().qmp(), e, recovery.byHand()),
                    e);
        }
    }

    private String bringBack() throws IOException, VmckptException {
        endNew();
        OptionalLong other = otherGuest();
        if (other.isPresent()) {
            return leaveTo(other.getAsLong());
        }
        boolean canGoOn = journal.phase() == Journal.Phase.STANDING && journal.old().isAlive();
        removeNew();
        return canGoOn ? resumeOld() : restoreOld();
    }

    /**
     * The QEMU that has the guest's monitor although we did not start it: before us somebody has
     * brought the guest back by hand.
     */
    private OptionalLong otherGuest() {
        long pid;
        try {
            pid = UnixPeer.pidOf(Path.of(journal.qmp()));
        } catch (ErrnoException e) {
            // It does not answer; who else than the old one listens there is not known.
            boolean listens = e.errno() == Errno.EAGAIN && !journal.old().isAlive();
            return listens ? OptionalLong.of(UNKNOWN_PID) : OptionalLong.empty();
        }
        return pid == journal.old().pid() ? OptionalLong.empty() : OptionalLong.of(pid);
    }

    /** Nothing is touched that could be the other guest's: sockets, disks, files. */
    private String leaveTo(long other) throws IOException, VmckptException {
        if (journal.old().isAlive()) {
            throw new ConflictException(
                    "bringing back the guest at %s: another QEMU (pid %d) has its monitor now, and its own (pid %d) stands still; end the one that you do not want and run 'vmckpt rollback' again, which then goes on from %s"
                            .formatted(journal.qmp(), other, journal.old().pid(), file));
        }
        discard();
        return "the guest at %s is one that somebody else started (QEMU pid %d); it was left alone"
                .formatted(journal.qmp(), other);
    }

    private String resumeOld() throws IOException, VmckptException {
        for (Journal.Move move : journal.moves()) {
            Path aside = Path.of(move.to());
            if (Files.exists(aside, LinkOption.NOFOLLOW_LINKS)) {
                Files.move(aside, Path.of(move.from()), StandardCopyOption.ATOMIC_MOVE);
            }
        }
        if (journal.wasRunning()) {
            try (QmpClient qmp = QmpClient.connect(Path.of(journal.qmp()), PATIENCE)) {
                qmp.execute("cont");
            } catch (VmckptException e) {
                throw new RefusedException(
                        "bringing back the guest at %s: its QEMU (pid %d) stands still, and cannot be told to go on: %s; send cont to its QMP socket, or run 'vmckpt rollback' again, which does that first"
                                .formatted(journal.qmp(), journal.old().pid(), e.getMessage()),
                        e);
            }
        }
        return "the guest is as it was (QEMU pid %d)".formatted(journal.old().pid());
    }

    private String restoreOld() throws IOException, VmckptException {
        journal.old().kill(PATIENCE);
        // What another attempt has left.
        Path disks = Path.of(journal.disks() + "-" + journal.id());
        Trees.delete(disks);
        moveAside();
        String safety =
                journal.safety()
                        .orElseThrow(() ->
                                new RefusedException(
                                        "bringing back the guest at %s: its QEMU (pid %d) has ended; %s"
                                                .formatted(
                                                        journal.qmp(),
                                                        journal.old().pid(),
                                                        byHand())));
        try (Store store = Store.open(Path.of(journal.store()))) {
            RestoreRequest request =
                    RestoreRequest.of(store, store.find(safety), Path.of(journal.qmp()), disks)
                            .withPaused(!journal.wasRunning());
            RestoreReport report =
                    new RestoreService()
                            .restore(request, new SameHost(journal.id()), ProgressListener.none());
            discard();
            return "the old guest is back from checkpoint %s (QEMU pid %d, disks in %s)"
                    .formatted(safety, report.pid(), request.disksDirectory());
        } catch (VmckptException e) {
            throw new RefusedException(
                    "bringing back the guest at %s from checkpoint %s: %s; %s"
                            .formatted(journal.qmp(), safety, e.getMessage(), byHand()),
                    e);
        }
    }

    private String endOld() throws IOException, VmckptException {
        journal.old().kill(PATIENCE);
        discard();
        return "the guest was rolled back";
    }

    private void discard() throws IOException {
        for (Journal.Move move : journal.moves()) {
            if (move.discarded()) {
                Files.deleteIfExists(Path.of(move.to()));
            }
        }
    }

    /** What the old guest had, and not what the new one made in its place. */
    private void moveAside() throws IOException {
        for (Journal.Move move : journal.moves()) {
            Path from = Path.of(move.from());
            if (Files.exists(Path.of(move.to()), LinkOption.NOFOLLOW_LINKS)) {
                Files.deleteIfExists(from);
            } else if (Files.exists(from, LinkOption.NOFOLLOW_LINKS)) {
                Files.move(from, Path.of(move.to()), StandardCopyOption.ATOMIC_MOVE);
            }
        }
    }

    /** The new QEMU, wherever it was. */
    private void endNew() throws VmckptException {
        for (ProcessHandle process : ProcessHandle.allProcesses().toList()) {
            if (isOurs(process)) {
                RunningProcess.of(process.pid()).kill(PATIENCE);
            }
        }
    }

    /** All that it was to have. */
    private void removeNew() throws IOException {
        Path disks = Path.of(journal.disks());
        DetachedServer.killIn(disks);
        for (String output : journal.outputs()) {
            Files.deleteIfExists(Path.of(output));
        }
        Trees.delete(disks);
    }

    private boolean isOurs(ProcessHandle process) {
        Path environment = Path.of("/proc", Long.toString(process.pid()), "environ");
        String mark = Journal.VARIABLE + "=" + journal.id();
        try {
            String all = Files.readString(environment, StandardCharsets.ISO_8859_1);
            return List.of(all.split("\0", -1)).contains(mark);
        } catch (IOException e) {
            // It has ended, or is the kernel's.
            return false;
        }
    }

    private String byHand() {
        String restore =
                "vmckpt restore %s --store %s --qmp %s --disks NEW_FOLDER"
                        .formatted(journal.safety().orElse("CKPT"), journal.store(), journal.qmp());
        return (journal.safety().isPresent()
                        ? "its checkpoint of just before brings it back: " + restore
                        : "no checkpoint was taken of it just before; an older one brings it back: "
                                + restore)
                + "; what was to be done is in "
                + file;
    }
}
