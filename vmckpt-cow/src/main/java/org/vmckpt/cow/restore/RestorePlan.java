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
import org.vmckpt.cow.serving.VolumeServer;

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

    static RestorePlan of(RestoreRequest request, Takeover takeover) throws VmckptException {
        Manifest manifest = request.manifest();
        Problems problems = new Problems();
        checkSegments(request, problems);
        checkDisksFolder(request.disksDirectory(), problems);
        checkQmpPath(request.qmpPath(), takeover, problems);
        Optional<QemuBinary> binary =
                QemuBinary.find(request.qemuBinary(), manifest.guest(), problems);
        request.diskSocket().ifPresent(socket -> checkDiskSocket(socket, problems));
        List<RestoredDisk> disks =
                DiskOverlays.layOut(
                        manifest.disks(), request.disksDirectory(), request.diskSocket());
        CommandLinePlan commandLine =
                CommandLinePlan.of(
                        manifest.guest(),
                        disks,
                        request.qmpPath(),
                        request.maps(),
                        request.arguments(),
                        takeover,
                        problems);
        HostCapabilities.ofThisHost().check(manifest.guest(), commandLine.line(), problems);
        HostMemory.check(commandLine.line(), manifest, takeover, problems);
        problems.throwIfAny("restore of " + manifest.id());
        return new RestorePlan(binary.orElseThrow(), commandLine, disks, workingDirectory(request));
    }

    /** The folders of those disks that are volumes. */
    List<Path> volumes() {
        return disks.stream()
                .filter(disk -> disk.socket().isPresent())
                .map(RestoredDisk::overlay)
                .toList();
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

    private static void checkQmpPath(Path path, Takeover takeover, Problems problems) {
        if (Files.exists(path, LinkOption.NOFOLLOW_LINKS) && !takeover.owns(path)) {
            problems.conflict(
                    "%s exists, another guest may listen on it: give --qmp another path, or remove it"
                            .formatted(path));
        } else if (path.getParent() != null && !Files.isDirectory(path.getParent())) {
            problems.notFound(
                    "the folder of %s does not exist: make it, or give --qmp another path"
                            .formatted(path));
        }
        checkLength(path, "--qmp a shorter one", problems);
    }

    private static void checkDiskSocket(Path socket, Problems problems) {
        checkLength(VolumeServer.controlSocketOf(socket), "--disks a shorter folder", problems);
    }

    private static void checkLength(Path socket, String what, Problems problems) {
        if (socket.toString().getBytes(StandardCharsets.UTF_8).length > SOCKET_PATH_LIMIT_BYTES) {
            problems.unsupported(
                    "%s is longer than the %d bytes that a socket's path may have: give %s"
                            .formatted(socket, SOCKET_PATH_LIMIT_BYTES, what));
        }
    }

    private static Path workingDirectory(RestoreRequest request) {
        Path recorded = Path.of(request.manifest().guest().workingDirectory());
        Path mapped = new PathMap(recorded, request.maps()).map(recorded);
        return Files.isDirectory(mapped) ? mapped : request.disksDirectory();
    }
}
