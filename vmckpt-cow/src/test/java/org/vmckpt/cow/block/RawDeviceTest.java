package org.vmckpt.cow.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.NotFoundException;

/** A raw disk in a real file. */
class RawDeviceTest {
    private static final int MIB = 1 << 20;

    @TempDir Path folder;

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void whatWasWrittenIsRead(boolean direct) throws Exception {
        try (RawDevice disk = newDisk()) {
            disk.write(filled(direct, 7), MIB);
            ByteBuffer read = direct ? ByteBuffer.allocateDirect(2048) : ByteBuffer.allocate(2048);
            disk.read(read.position(1), MIB - 511);
            assertThat(read.hasRemaining()).isFalse();
            assertThat(read.get(511)).isZero();
            assertThat(read.get(512)).isEqualTo((byte) 7);
            assertThat(read.get(1535)).isEqualTo((byte) 7);
            assertThat(read.get(1536)).isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void zeroedRangesReadAsZerosAndAreHolesIfTheyMay(boolean mayUnmap) throws Exception {
        try (RawDevice disk = newDisk()) {
            ByteBuffer data = ByteBuffer.allocate(3 * MIB);
            data.put(new byte[3 * MIB]).flip();
            disk.write(data, 0);
            disk.writeZeroes(MIB, MIB, mayUnmap);
            List<String> extents = new ArrayList<>();
            disk.blockStatus(
                    0, 4 * MIB, (at, length, status) -> extents.add(status + " " + length / MIB));
            assertThat(extents)
                    .isEqualTo(
                            mayUnmap
                                    ? List.of("DATA 1", "HOLE 1", "DATA 1", "HOLE 1")
                                    : List.of("DATA 3", "HOLE 1"));
        }
    }

    @Test
    void requestsOutsideTheDiskAreRefused() throws Exception {
        try (RawDevice disk = newDisk()) {
            assertThatThrownBy(() -> disk.write(filled(true, 1), 4 * MIB - 1))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> disk.read(filled(true, 1), -1))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> disk.discard(0, Long.MAX_VALUE))
                    .isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    @Test
    void halfASectorAtTheEndIsFilledWithZeros() throws Exception {
        Path path = Files.write(folder.resolve("odd"), new byte[] {1, 2, 3});
        try (RawDevice disk = RawDevice.over(PlainFile.openReadOnly(path))) {
            assertThat(disk.size()).isEqualTo(512);
            ByteBuffer all = ByteBuffer.allocate(512);
            disk.read(all, 0);
            assertThat(all.array()).startsWith(1, 2, 3, 0);
        }
    }

    @Test
    void filesAreFoundOrMadeButNeverBoth() throws Exception {
        Path path = folder.resolve("disk");
        assertThatThrownBy(() -> PlainFile.open(path)).isInstanceOf(NotFoundException.class);
        PlainFile.create(path).close();
        assertThat(Files.getPosixFilePermissions(path)).hasSize(2);
        assertThatThrownBy(() -> PlainFile.create(path)).isInstanceOf(ConflictException.class);
    }

    private RawDevice newDisk() throws Exception {
        PlainFile file = PlainFile.create(folder.resolve("disk"));
        file.resize(4 * MIB);
        return RawDevice.over(file);
    }

    private static ByteBuffer filled(boolean direct, int value) {
        ByteBuffer buffer = direct ? ByteBuffer.allocateDirect(1024) : ByteBuffer.allocate(1024);
        while (buffer.hasRemaining()) {
            buffer.put((byte) value);
        }
        return buffer.flip();
    }
}
