package org.vmckpt.cow.restore;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.SegmentReader;

/**
 * Everything that a restore will do, checked as far as possible without doing it.
 *
 * @param workingDirectory of the new QEMU; every path that is known to be one is absolute
 */
record RestorePlan(
        QemuBinary binary,
        CommandLinePlan commandLine,
        List<RestoredDisk> disks,
        Path workingDirectory) {
    /** What a Unix socket's address has room for. */
    private static final int SOCKET_PATH_LIMIT_BYTES = 107;

    static RestorePlan of(RestoreRequest request) throws VmckptException {
        Manifest manifest = request.manifest();
        Problems problems = new Problems();
        checkSegments(request, problems);
        checkDisksFolder(request.disksDirectory(), problems);
        checkQmpPath(request.qmpPath(), problems);
        Optional<QemuBinary> binary =
                QemuBinary.find(request.qemuBinary(), manifest.guest(), problems);
        List<RestoredDisk> disks = DiskOverlays.layOut(manifest.disks(), request.disksDirectory());
        CommandLinePlan commandLine =
                CommandLinePlan.of(
                        manifest.guest(),
                        disks,
                        request.qmpPath(),
                        request.maps(),
                        request.arguments(),
                        problems);
        HostCapabilities.ofThisHost().check(manifest.guest(), commandLine.line(), problems);
        HugePageDemand.of(commandLine.line(), manifest.memory()).check(problems);
        problems.throwIfAny("restore of " + manifest.id());
        return new RestorePlan(binary.orElseThrow(), commandLine, disks, workingDirectory(request));
    }

    private static void checkSegments(RestoreRequest request, Problems problems)
            throws VmckptException {
        for (SegmentName name : request.manifest().segments()) {
            try (SegmentReader reader = request.store().openSegment(name)) {
                // Opening checks the header, the index and the length.
                assert reader.name().equals(name);
            } catch (NotFoundException e) {
                problems.notFound(String.valueOf(e.getMessage()));
            }
        }
    }

    private static void checkDisksFolder(Path folder, Problems problems) throws StorageException {
        if (!Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        if (!Files.isDirectory(folder)) {
            problems.conflict("%s is not a folder: give --disks another one".formatted(folder));
            return;
        }
        try (Stream<Path> entries = Files.list(folder)) {
            if (entries.findAny().isPresent()) {
                problems.conflict(
                        "the folder %s is not empty: give --disks a new one".formatted(folder));
            }
        } catch (IOException e) {
            throw new StorageException(
                    "restore cannot look into %s: %s".formatted(folder, e.getMessage()), e);
        }
    }

    private static void checkQmpPath(Path path, Problems problems) {
        if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            problems.conflict(
                    "%s exists, another guest may listen on it: give --qmp another path, or remove it"
                            .formatted(path));
        } else if (path.getParent() != null && !Files.isDirectory(path.getParent())) {
            problems.notFound(
                    "the folder of %s does not exist: make it, or give --qmp another path"
                            .formatted(path));
        }
        if (path.toString().getBytes(StandardCharsets.UTF_8).length > SOCKET_PATH_LIMIT_BYTES) {
            problems.unsupported(
                    "%s is longer than the %d bytes that a socket's path may have: give --qmp a shorter one"
                            .formatted(path, SOCKET_PATH_LIMIT_BYTES));
        }
    }

    private static Path workingDirectory(RestoreRequest request) {
        Path recorded = Path.of(request.manifest().guest().workingDirectory());
        Path mapped = new PathMap(recorded, request.maps()).map(recorded);
        return Files.isDirectory(mapped) ? mapped : request.disksDirectory();
    }
}
