package org.vmckpt.cow.disk;

import java.util.HashSet;
import java.util.Set;
import org.vmckpt.core.CorruptException;

/**
 * What each cluster of a qcow2 file is used for. QEMU never uses one twice in the files that we
 * have it make, so an offset that leads into another use is damaged although it lies in the file.
 */
final class ClusterUse {
    private final ImageFile file;
    private final int clusterSizeBytes;
    private final Set<Long> used = new HashSet<>();

    ClusterUse(ImageFile file, int clusterSizeBytes) {
        this.file = file;
        this.clusterSizeBytes = clusterSizeBytes;
    }

    /** Takes the clusters of {@code lengthBytes} from {@code offset} on, which nothing else has. */
    void claim(long offset, long lengthBytes, String what) throws CorruptException {
        expect(
                offset >= 0
                        && offset % clusterSizeBytes == 0
                        && lengthBytes <= file.sizeBytes() - offset,
                what + " inside the file, at a cluster's start",
                offset);
        for (long at = offset; at < offset + lengthBytes; at += clusterSizeBytes) {
            expect(used.add(at), what + " in a cluster of its own", at);
        }
    }

    private void expect(boolean condition, String expected, long offset) throws CorruptException {
        if (!condition) {
            throw Qcow2VmState.corrupt(file, expected, "offset " + offset);
        }
    }
}
