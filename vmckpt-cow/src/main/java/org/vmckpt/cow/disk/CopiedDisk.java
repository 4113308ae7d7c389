package org.vmckpt.cow.disk;

import java.util.List;
import org.vmckpt.core.SegmentName;

/**
 * A disk that is in the store.
 *
 * @param layers oldest first; together they are the disk's content
 * @param readBytes what was read from the disk's files; 0 if the store had all of it
 * @param storedBytes what was written to the store
 */
public record CopiedDisk(List<SegmentName> layers, long readBytes, long storedBytes) {
    public CopiedDisk {
        layers = List.copyOf(layers);
    }
}
