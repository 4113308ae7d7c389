package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.util.Optional;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.StorageFile;

/**
 * What an open image is made of.
 *
 * @param writer there if it is open for writing
 */
record ImageParts(
        StorageFile file,
        String name,
        Qcow2Header header,
        L2Cache l2,
        Backing backing,
        ClusterReader reader,
        Optional<ImageWriter> writer) {

    static ImageParts open(
            StorageFile file,
            String name,
            Backing backing,
            boolean writable,
            Optional<EntryLog> log)
            throws VmckptException {
        Qcow2Header header = Qcow2Header.read(file, name);
        if (writable) {
            requireWritable(header, name);
        }
        try {
            EntryChecks checks = new EntryChecks(header, name);
            int entries = writable ? header.l1Capacity() : header.l1EntryCount();
            long[] l1 = checks.readL1(file, entries);
            L2Cache l2 = new L2Cache(file, header, checks, l1);
            CompressedClusters compressed = new CompressedClusters(file, header, name);
            ClusterReader reader = new ClusterReader(file, header, l2, backing, compressed, name);
            Optional<ImageWriter> writer = Optional.empty();
            if (writable) {
                HostClusters clusters = ImageScan.scan(file, header, name, checks, l1);
                clearAutoclearFeatures(file, header);
                ImageWriter changing =
                        new ImageWriter(file, header, l2, clusters, reader, backing, name, log);
                changing.replayLog();
                writer = Optional.of(changing);
            }
            return new ImageParts(file, name, header, l2, backing, reader, writer);
        } catch (IOException e) {
            throw DamagedImageException.explain("opening qcow2 file", name, e);
        }
    }

    private static void clearAutoclearFeatures(StorageFile file, Qcow2Header header)
            throws IOException {
        if (header.autoclearFeatures() != 0) {
            Qcow2Header.patch(file, Qcow2Header.AUTOCLEAR_AT, 0);
            file.sync();
        }
    }

    private static void requireWritable(Qcow2Header header, String name)
            throws UnsupportedException {
        String obstacle = "";
        if (header.snapshotCount() != 0) {
            obstacle = "internal snapshots";
        } else if (header.refcountOrder() != Qcow2Header.WRITTEN_REFCOUNT_ORDER) {
            obstacle = "refcounts of " + (1 << header.refcountOrder()) + " bits instead of 16";
        } else if (header.l1Capacity() > Qcow2Header.LARGEST_L1_ENTRIES) {
            obstacle = "a first-level table of " + header.l1Capacity() + " entries";
        }
        if (!obstacle.isEmpty()) {
            throw new UnsupportedException(
                    "opening qcow2 file "
                            + name
                            + " for writing: it uses "
                            + obstacle
                            + ", which is not supported; convert the disk with qemu-img convert");
        }
    }
}
