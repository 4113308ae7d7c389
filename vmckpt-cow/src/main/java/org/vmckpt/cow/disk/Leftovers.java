package org.vmckpt.cow.disk;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/**
 * Removes what a vmckpt that was killed left behind: overlays that no disk uses.
 *
 * <p>A file is deleted only when it is certain that nobody needs it: its name is one of ours for
 * this disk, its parent is a file of this disk, QEMU does not use it, nobody else has locked it,
 * nothing lies over it; and either nothing was ever written to it, or this QEMU still had it as a
 * node of ours that no disk uses any more, because it was folded. What might hold a guest's only
 * copy of its data is kept, and reported.
 */
public final class Leftovers {
    private final BlockGraph graph;
    private final QemuFiles files;
    private final Set<Path> removed = new TreeSet<>();
    private final List<String> kept = new ArrayList<>();

    private Leftovers(BlockGraph graph, QemuFiles files) {
        this.graph = graph;
        this.files = files;
    }

    /**
     * What was found.
     *
     * @param removed overlay files that were deleted
     * @param kept for people: which file was left, and why
     */
    public record Report(List<Path> removed, List<String> kept) {
        public Report {
            removed = List.copyOf(removed);
            kept = List.copyOf(kept);
        }
    }

    /**
     * Cleans up around the disks of one guest.
     *
     * @param disks all of them, from {@link DiskInventory#discover}, just now
     */
    public static Report clean(QmpClient qmp, long qemuPid, List<GuestDisk> disks)
            throws VmckptException {
        Leftovers leftovers = new Leftovers(BlockGraph.query(qmp), QemuFiles.of(qemuPid));
        Set<Path> folded = leftovers.removeNodes(qmp);
        Set<Path> inUse = leftovers.filesInQemu();
        folded.forEach(inUse::remove);
        for (GuestDisk disk : disks) {
            leftovers.cleanAround(disk, inUse, folded);
        }
        return new Report(List.copyOf(leftovers.removed), leftovers.kept);
    }

    /** Returns the host paths of the files whose nodes were taken out of QEMU. */
    private Set<Path> removeNodes(QmpClient qmp) throws VmckptException {
        Set<String> used = graph.usedNodes();
        Set<String> open = new TreeSet<>();
        Set<Path> freed = new HashSet<>();
        for (String node : graph.nodeNames()) {
            if (OverlayName.isNode(node) && !used.contains(node)) {
                open.add(node);
            }
        }
        // A node goes only after the nodes that lie over it.
        boolean progress = true;
        while (progress) {
            progress = false;
            for (String node : List.copyOf(open)) {
                if (removeNode(qmp, node)) {
                    open.remove(node);
                    progress = true;
                    if (OverlayName.isFileNode(node)) {
                        freed.add(hostPath(node));
                    }
                }
            }
        }
        open.forEach(node -> kept.add("block node " + node + ": QEMU refuses to remove it"));
        return freed;
    }

    private static boolean removeNode(QmpClient qmp, String node) throws VmckptException {
        try {
            BlockNodes.remove(qmp, node);
            return true;
        } catch (ProtocolException stillInUse) {
            return false;
        }
    }

    private Set<Path> filesInQemu() throws VmckptException {
        Set<Path> paths = new HashSet<>();
        for (String node : graph.nodeNames()) {
            if (graph.driver(node).equals("file")) {
                paths.add(hostPath(node));
            }
        }
        return paths;
    }

    private Path hostPath(String fileNode) throws VmckptException {
        String filename = graph.details(fileNode).path("file").asText();
        return files.host(files.absolute(filename));
    }

    private void cleanAround(GuestDisk disk, Set<Path> inUse, Set<Path> folded)
            throws VmckptException {
        for (Path candidate : candidates(disk)) {
            if (inUse.contains(candidate) || removed.contains(candidate)) {
                continue;
            }
            Optional<String> reason = reasonToKeep(candidate, disk, folded);
            if (reason.isPresent()) {
                kept.add(candidate + ": " + reason.get());
            } else {
                delete(candidate);
            }
        }
    }

    /** Files that are called like overlays of this disk. */
    private static Set<Path> candidates(GuestDisk disk) throws StorageException {
        Set<Path> found = new TreeSet<>();
        for (DiskLayer layer : disk.layers()) {
            found.addAll(overlaysNextTo(layer.hostPath()));
        }
        return found;
    }

    private static List<Path> overlaysNextTo(Path file) throws StorageException {
        List<Path> found = new ArrayList<>();
        Path folder = file.resolveSibling("");
        try (DirectoryStream<Path> entries =
                Files.newDirectoryStream(
                        folder,
                        entry ->
                                OverlayName.isOverlayOf(entry, file)
                                        && Files.isRegularFile(entry))) {
            entries.forEach(found::add);
            return found;
        } catch (IOException e) {
            throw new StorageException("looking for left overlays in " + folder + ": " + e, e);
        }
    }

    private Optional<String> reasonToKeep(Path candidate, GuestDisk disk, Set<Path> folded)
            throws VmckptException {
        // An empty file is one that was created and not formatted yet.
        if (isEmptyFile(candidate)) {
            return lockedByOthers(candidate);
        }
        try (FrozenFileReader reader = FrozenFileReader.open(candidate, "qcow2")) {
            if (!isParentInDisk(reader, candidate, disk)) {
                return Optional.of("its parent is not a file of disk " + disk.name());
            }
            if (!folded.contains(candidate) && holdsData(reader)) {
                return Optional.of(
                        "it holds data and no disk uses it; was the guest started again without"
                                + " it? Give it to QEMU as the disk, or delete it by hand");
            }
        } catch (VmckptException e) {
            return Optional.of("cannot be read: " + e.getMessage());
        }
        if (isParentOfAnother(candidate)) {
            return Optional.of("another overlay lies over it");
        }
        return lockedByOthers(candidate);
    }

    private boolean isParentInDisk(FrozenFileReader overlay, Path candidate, GuestDisk disk) {
        return parentOf(overlay, candidate)
                .filter(parent ->
                        disk.layers().stream().anyMatch(layer -> layer.hostPath().equals(parent)))
                .isPresent();
    }

    private Optional<Path> parentOf(FrozenFileReader overlay, Path hostPath) {
        return overlay instanceof Qcow2Reader qcow2
                ? qcow2.header()
                        .backingName()
                        .map(name -> files.host(hostPath.resolveSibling(name)).normalize())
                : Optional.empty();
    }

    private boolean isParentOfAnother(Path candidate) throws VmckptException {
        for (Path other : overlaysNextTo(candidate)) {
            if (other.equals(candidate) || isEmptyFile(other)) {
                continue;
            }
            try (FrozenFileReader reader = FrozenFileReader.open(other, "qcow2")) {
                if (parentOf(reader, other).filter(candidate::equals).isPresent()) {
                    return true;
                }
            }
        }
        return false;
    }

    private static boolean holdsData(FrozenFileReader reader) throws VmckptException {
        long size = reader.virtualSizeBytes();
        if (size == 0) {
            return false;
        }
        Extent first = reader.extentAt(0, size);
        return first.kind() != Extent.Kind.ABSENT || first.endBytes() < size;
    }

    private static boolean isEmptyFile(Path file) throws StorageException {
        try {
            return Files.size(file) == 0;
        } catch (IOException e) {
            throw new StorageException("looking at left overlay " + file + ": " + e, e);
        }
    }

    /** QEMU and qemu-img lock bytes of the images that they have open. */
    private static Optional<String> lockedByOthers(Path file) {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE);
                FileLock lock = channel.tryLock()) {
            return lock == null ? Optional.of("another process has locked it") : Optional.empty();
        } catch (IOException e) {
            return Optional.of("cannot be locked: " + e.getMessage());
        }
    }

    private void delete(Path file) throws StorageException {
        try {
            Files.delete(file);
            removed.add(file);
        } catch (IOException e) {
            throw new StorageException("deleting left overlay " + file + ": " + e, e);
        }
    }
}
