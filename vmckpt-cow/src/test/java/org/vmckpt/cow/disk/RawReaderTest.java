package org.vmckpt.cow.disk;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.cow.disk.Extent.Kind;

class RawReaderTest {
    private static final long DATA_AT = 1 << 20;
    private static final int DATA_BYTES = 4096 + 100;

    @TempDir Path folder;

    @Test
    void holesAreZerosAndTheLastSectorIsWhole() throws Exception {
        Path image = folder.resolve("disk.raw");
        try (FileChannel file =
                FileChannel.open(image, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            byte[] data = new byte[DATA_BYTES];
            Arrays.fill(data, (byte) 7);
            file.write(ByteBuffer.wrap(data), DATA_AT);
        }
        try (FrozenFileReader reader = FrozenFileReader.open(image, "raw")) {
            long size = DATA_AT + 4096 + 512;
            assertThat(reader.virtualSizeBytes()).isEqualTo(size);
            assertThat(reader.extentAt(512, size))
                    .isEqualTo(new Extent(Kind.ZERO, 512, DATA_AT - 512));
            assertThat(reader.extentAt(512, 1024)).isEqualTo(new Extent(Kind.ZERO, 512, 512));
            assertThat(reader.extentAt(DATA_AT, size))
                    .isEqualTo(new Extent(Kind.DATA, DATA_AT, 4096 + 512));
            ByteBuffer last = ByteBuffer.allocate(512);
            reader.read(size - 512, last);
            assertThat(last.get(99)).isEqualTo((byte) 7);
            assertThat(last.get(100)).isZero();
        }
    }
}
