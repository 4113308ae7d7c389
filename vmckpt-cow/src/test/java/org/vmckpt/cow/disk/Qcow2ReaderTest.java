package org.vmckpt.cow.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.disk.Extent.Kind;

class Qcow2ReaderTest {
    private static final int CLUSTER = Qcow2Bytes.CLUSTER_BYTES;

    @TempDir Path folder;

    @Test
    void goldenBytesReadAsDataZerosAndNothing() throws Exception {
        Path image = new Qcow2Bytes().write(folder.resolve("golden.qcow2"));
        try (FrozenFileReader reader = FrozenFileReader.open(image, "qcow2")) {
            int size = Qcow2Bytes.DISK_BYTES;
            assertThat(reader.virtualSizeBytes()).isEqualTo(size);
            assertThat(reader.extentAt(0, size)).isEqualTo(new Extent(Kind.DATA, 0, CLUSTER));
            assertThat(reader.extentAt(CLUSTER, size))
                    .isEqualTo(new Extent(Kind.ZERO, CLUSTER, CLUSTER));
            assertThat(reader.extentAt(2 * CLUSTER, size))
                    .isEqualTo(new Extent(Kind.ABSENT, 2 * CLUSTER, size - 2 * CLUSTER));
            assertThat(reader.extentAt(100, 200)).isEqualTo(new Extent(Kind.DATA, 100, 100));
            ByteBuffer data = ByteBuffer.allocate(CLUSTER - 100);
            reader.read(100, data);
            assertThat(data.array()).containsOnly(Qcow2Bytes.FILL);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0x514649fa, magic",
        "20, 8, cluster bits",
        "20, 22, cluster bits",
        "20, -1, cluster bits",
        "24, -1, virtual size",
        "24, 0x7fffffff, first-level entries",
        "36, 3, first-level entries",
        "36, -1, first-level entries",
        "40, 1, first-level table",
        "44, 4097, first-level table",
        "44, 0x100000, first-level table",
        "40, -1, first-level table",
        "100, 72, header",
        "16, 1024, backing file name",
        "16, -1, backing file name"
    })
    void nonsenseInTheHeaderIsCorrupt(int at, String value, String what) throws Exception {
        Qcow2Bytes bytes = new Qcow2Bytes().putInt(12, 200);
        bytes.putInt(at, Long.decode(value).intValue());
        assertRefused(bytes, CorruptException.class, what);
    }

    @ParameterizedTest
    @CsvSource({
        "4, 4, version 4",
        "32, 2, encryption",
        "76, 4, external data file",
        "76, 16, subclusters",
        "76, 32, unknown incompatible features 0x20",
        "72, 1, unknown incompatible features"
    })
    void featuresThatAreNotReadAreRefusedByName(int at, int value, String what) throws Exception {
        assertRefused(new Qcow2Bytes().putInt(at, value), UnsupportedException.class, what);
    }

    @Test
    void imageThatQemuMarkedCorruptIsRefused() throws Exception {
        assertRefused(new Qcow2Bytes().putInt(76, 2), CorruptException.class, "corrupt");
    }

    @ParameterizedTest
    @CsvSource({"0x2200", "0x100000", "0x4000000000002000", "0x2001", "0x200", "0x3001"})
    void firstLevelEntryThatLeadsNowhereIsCorrupt(String entry) throws Exception {
        Qcow2Bytes bytes = new Qcow2Bytes().putLong(Qcow2Bytes.L1_AT, Long.decode(entry));
        assertRefused(bytes, CorruptException.class, "first-level entry 0");
    }

    @Test
    void secondLevelTableThatIsUsedTwiceIsCorrupt() throws Exception {
        Qcow2Bytes bytes = new Qcow2Bytes().putLong(Qcow2Bytes.L1_AT + 8, Qcow2Bytes.L2_AT);
        assertRefused(bytes, CorruptException.class, "every second-level table once");
    }

    @ParameterizedTest
    @CsvSource({
        "0x3200, disk offset 0",
        "0x100000, disk offset 0",
        "0x3002, disk offset 0",
        "0x4000000000100000, compressed cluster",
        "0x4000000000003000, do not decompress",
        "0x7fffffffffffffff, compressed cluster"
    })
    void secondLevelEntryThatLeadsNowhereIsCorrupt(String entry, String what) throws Exception {
        Qcow2Bytes bytes = new Qcow2Bytes().putLong(Qcow2Bytes.L2_AT, Long.decode(entry));
        assertRefused(bytes, CorruptException.class, what);
    }

    @Test
    void zeroFlagInAVersion2ImageIsCorrupt() throws Exception {
        Path image = new Qcow2Bytes().putInt(4, 2).write(folder.resolve("v2.qcow2"));
        try (FrozenFileReader reader = FrozenFileReader.open(image, "qcow2")) {
            assertThat(reader.extentAt(0, CLUSTER).kind()).isEqualTo(Kind.DATA);
            assertThatThrownBy(() -> reader.extentAt(CLUSTER, 2 * CLUSTER))
                    .isInstanceOf(CorruptException.class)
                    .hasMessageContaining("disk offset 4096");
        }
    }

    @Test
    void otherFilesAreRefused() throws Exception {
        Path text = Files.writeString(folder.resolve("text"), "no image");
        assertThatThrownBy(() -> FrozenFileReader.open(text, "qcow2"))
                .isInstanceOf(CorruptException.class);
        assertThatThrownBy(() -> FrozenFileReader.open(text, "vmdk"))
                .isInstanceOf(UnsupportedException.class)
                .hasMessageContaining("vmdk");
        assertThatThrownBy(() -> FrozenFileReader.open(folder.resolve("none"), "raw"))
                .isInstanceOf(NotFoundException.class);
    }

    private void assertRefused(
            Qcow2Bytes bytes, Class<? extends VmckptException> type, String message)
            throws Exception {
        Path image = bytes.write(folder.resolve("bad.qcow2"));
        assertThatThrownBy(() -> readFirstCluster(image))
                .isInstanceOf(type)
                .hasMessageContaining(message)
                .hasMessageContaining(image.toString());
    }

    private static void readFirstCluster(Path image) throws VmckptException {
        try (FrozenFileReader reader = FrozenFileReader.open(image, "qcow2")) {
            reader.extentAt(0, CLUSTER);
            reader.read(0, ByteBuffer.allocate(CLUSTER));
        }
    }
}
