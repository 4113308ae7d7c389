package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import org.vmckpt.cow.block.StorageFile;

/** Bytes of metadata as they were at one instant, on their way to the file. */
record MetadataWrite(long offset, ByteBuffer bytes) {
    static void all(List<MetadataWrite> writes, StorageFile file) throws IOException {
        for (MetadataWrite write : writes) {
            file.write(write.bytes.duplicate(), write.offset);
        }
    }
}
