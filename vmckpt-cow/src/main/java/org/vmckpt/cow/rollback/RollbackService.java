package org.vmckpt.cow.rollback;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.Manifest.GuestDefinition;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.cow.checkpoint.GuestSession;
import org.vmckpt.cow.checkpoint.RuntimeFolder;
import org.vmckpt.cow.definition.GuestDefinitionReader;
import org.vmckpt.cow.disk.DiskInventory;
import org.vmckpt.cow.disk.GuestDisk;
import org.vmckpt.cow.restore.RestoreReport;
import org.vmckpt.cow.restore.RestoreService;

/** Puts running guests back to checkpoints. */
public final class RollbackService {
    private static final int ID_BYTES = 4;
    private static final Duration SAFETY_DRAIN_LIMIT = Duration.ofMinutes(1);
    private static final String FOLDER = "rollback-";
    private static final DateTimeFormatter FOLDER_TIME =
            DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss").withZone(ZoneOffset.UTC);

    private RollbackService() {}

    /** Finds what {@link #rollback} would find before it changes anything. */
    public static void check(RollbackRequest request) throws VmckptException {
        try (GuestSession guest = GuestSession.open(GuestAddress.of(request.restore().qmpPath()))) {
            OldGuest old = old(guest, request, Path.of(""), RollbackProbe.NONE);
            new RestoreService().check(request.restore(), old);
        }
    }

    /**
     * The checkpoint that is taken first: its name is one that no other has, unless another is
     * wanted. Its guest is about to be replaced, so it may stand still for its disks.
     */
    public static CheckpointRequest safetyRequest(
            GuestAddress guest, Store store, Optional<String> name, Instant now) {
        return CheckpointRequest.of(guest, store)
                .withName(name.or(() -> Optional.of("before-" + FOLDER + FOLDER_TIME.format(now))))
                .withDrainTimeout(SAFETY_DRAIN_LIMIT);
    }

    /**
     * A folder for the new guest's disks that is not there yet: beside the first disk of the
     * running one, on whose file system there should be room for its like.
     *
     * @throws NotFoundException if it has no disk
     */
    public static Path newDisksFolder(Path qmpSocket, Instant now) throws VmckptException {
        try (GuestSession guest = GuestSession.open(GuestAddress.of(qmpSocket))) {
            for (GuestDisk disk : DiskInventory.discover(guest.qmp(), guest.pid())) {
                Path file = disk.active().hostPath().toAbsolutePath();
                // The files of a volume have a folder of their own.
                Path place = file.resolveSibling(disk.volume().isPresent() ? ".." : "").normalize();
                return newFolderIn(place, now);
            }
        }
        throw new NotFoundException(
                "rollback of the guest at %s: it has no disk beside which its new ones could lie: give --disks a new folder"
                        .formatted(qmpSocket));
    }

    /** Not in one that an earlier rollback made. */
    static Path newFolderIn(Path place, Instant now) {
        boolean again = String.valueOf(place.getFileName()).startsWith(FOLDER);
        Path parent = again ? place.resolveSibling("") : place;
        return parent.resolve(FOLDER + FOLDER_TIME.format(now));
    }

    /**
     * Replaces a running guest. If it fails, the old guest goes on, or is brought back from the
     * request's safety checkpoint; the error says which.
     */
    public static RollbackReport rollback(RollbackRequest request, ProgressListener progress)
            throws VmckptException {
        return rollback(request, progress, RollbackProbe.NONE);
    }

    static RollbackReport rollback(
            RollbackRequest request, ProgressListener progress, RollbackProbe probe)
            throws VmckptException {
        try (GuestSession guest = GuestSession.open(GuestAddress.of(request.restore().qmpPath()))) {
            Path journal = journalOf(guest.pid());
            OldGuest old = old(guest, request, journal, probe);
            new RestoreService().check(request.restore(), old);
            old.requireSafety();
            List<String> disks =
                    DiskInventory.discover(guest.qmp(), guest.pid()).stream()
                            .map(GuestDisk::argument)
                            .toList();
            try (Warden _ = Warden.start(journal)) {
                RestoreReport restored = replace(guest, old, request, journal, progress, probe);
                return report(request, guest, old, restored, disks);
            }
        }
    }

    private static RestoreReport replace(
            GuestSession guest,
            OldGuest old,
            RollbackRequest request,
            Path journal,
            ProgressListener progress,
            RollbackProbe probe)
            throws VmckptException {
        try {
            RestoreReport restored = new RestoreService().restore(request.restore(), old, progress);
            old.handOverNames();
            probe.reached(RollbackProbe.Moment.RUNS);
            settle(journal);
            probe.reached(RollbackProbe.Moment.SETTLED);
            return restored;
        } catch (VmckptException e) {
            // QEMU serves one client of its monitor.
            guest.qmp().close();
            throw new RefusedException(
                    "rollback to %s: %s\n%s"
                            .formatted(
                                    request.restore().manifest().id(),
                                    e.getMessage(),
                                    outcome(journal)),
                    e);
        }
    }

    /** From here on only forwards. */
    private static void settle(Path file) throws VmckptException {
        Journal journal =
                Journal.read(file)
                        .orElseThrow(() ->
                                new StorageException(
                                        "rollback: " + file + " is gone while it was needed"));
        journal.in(Journal.Phase.REPLACED).write(file);
    }

    private static String outcome(Path journal) {
        try {
            String text = Recovery.run(journal).orElse("the guest was not touched");
            return Character.toUpperCase(text.charAt(0)) + text.substring(1);
        } catch (VmckptException e) {
            return String.valueOf(e.getMessage());
        }
    }

    private static RollbackReport report(
            RollbackRequest request,
            GuestSession guest,
            OldGuest old,
            RestoreReport restored,
            List<String> disks)
            throws VmckptException {
        var _ = Recovery.run(journalOf(guest.pid()));
        List<String> kept =
                old.moves().stream()
                        .filter(move -> !move.discarded())
                        .map(Journal.Move::to)
                        .toList();
        return new RollbackReport(
                request.restore().manifest().id(),
                request.safety(),
                guest.pid(),
                restored,
                old.standstillMillis(),
                disks,
                kept);
    }

    private static OldGuest old(
            GuestSession guest, RollbackRequest request, Path journal, RollbackProbe probe)
            throws VmckptException {
        GuestDefinition running = GuestDefinitionReader.read(guest.pid(), guest.qmp());
        Manifest target = request.restore().manifest();
        boolean same =
                running.name().equals(target.guest().name())
                        && running.uuid().equals(target.guest().uuid());
        if (!same) {
            throw new ConflictException(
                    "rollback of guest %s (UUID %s): checkpoint %s is of guest %s (UUID %s); 'vmckpt restore' makes a guest of it beside this one"
                            .formatted(
                                    running.name(),
                                    running.uuid(),
                                    target.id(),
                                    target.guest().name(),
                                    target.guest().uuid()));
        }
        List<String> arguments = new ArrayList<>(target.guest().arguments());
        arguments.addAll(request.restore().arguments());
        QemuUser.require(guest.pid(), arguments);
        byte[] random = new byte[ID_BYTES];
        new SecureRandom().nextBytes(random);
        return new OldGuest(
                guest, running, request, HexFormat.of().formatHex(random), journal, probe);
    }

    /** In a folder that a reboot empties, as it ends all guests. */
    private static Path journalOf(long pid) throws StorageException {
        Path folder = RuntimeFolder.path();
        try {
            Files.createDirectories(folder);
            return folder.resolve("rollback-" + pid + ".json");
        } catch (IOException e) {
            throw new StorageException("rollback: making the folder " + folder + ": " + e, e);
        }
    }

    /**
     * Ends a rollback of the guest at this socket whose process and warden were both killed.
     *
     * @return what became of the guest; empty if there is no such rollback
     * @throws org.vmckpt.core.ConflictException when it is still under way
     */
    public static Optional<String> recover(Path qmpSocket) throws VmckptException {
        Path wanted = qmpSocket.toAbsolutePath().normalize();
        for (Path file : journals()) {
            Optional<Journal> journal = Journal.read(file);
            if (journal.isPresent() && Path.of(journal.get().qmp()).equals(wanted)) {
                return Recovery.runAlone(file);
            }
        }
        return Optional.empty();
    }

    private static List<Path> journals() throws StorageException {
        Path folder = RuntimeFolder.path();
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        try (var files = Files.newDirectoryStream(folder, "rollback-*.json")) {
            List<Path> found = new ArrayList<>();
            files.forEach(found::add);
            return found;
        } catch (IOException e) {
            throw new StorageException("rollback: looking into " + folder + ": " + e, e);
        }
    }
}
