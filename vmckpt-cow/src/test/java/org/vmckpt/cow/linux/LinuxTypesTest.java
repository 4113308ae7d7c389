package org.vmckpt.cow.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.vmckpt.core.UnsupportedException;

class LinuxTypesTest {
    @Test
    void holesOfAMemoryFileAreFoundAndStayHoles() throws Exception {
        try (GuestFile file = GuestFile.createInMemory("holes", 1 << 20)) {
            assertThat(file.nextData(0)).isEqualTo(-1);
            file.pwrite(ByteBuffer.wrap(new byte[] {1, 2, 3}), 8192);
            assertThat(file.nextData(0)).isEqualTo(8192);
            assertThat(file.nextHole(8192)).isEqualTo(12288);
            ByteBuffer target = ByteBuffer.allocateDirect(16);
            assertThat(file.pread(target, 8192)).isEqualTo(16);
            assertThat(target.flip().get(2)).isEqualTo((byte) 3);
            file.pread(ByteBuffer.allocate(4096), 65536);
            assertThat(file.nextData(12288)).isEqualTo(-1);
        }
    }

    @Test
    void readStopsAtTheEndOfTheFile() throws Exception {
        try (GuestFile file = GuestFile.createInMemory("short", 100)) {
            ByteBuffer target = ByteBuffer.allocate(200);
            assertThat(file.pread(target, 40)).isEqualTo(60);
            assertThat(target.position()).isEqualTo(60);
        }
    }

    @Test
    void errorsNameTheCallTheObjectAndTheErrno() {
        assertThatThrownBy(() -> GuestFile.openForReading(Path.of("/no/such/file")))
                .isInstanceOf(ErrnoException.class)
                .hasMessage("open of /no/such/file failed: ENOENT");
    }

    @Test
    void closingTwiceIsHarmless() throws Exception {
        GuestFile file = GuestFile.createInMemory("twice", 4096);
        NativeBuffer buffer = NativeBuffer.allocate(4096);
        file.close();
        file.close();
        buffer.close();
        buffer.close();
        assertThatThrownBy(() -> file.nextData(0)).hasMessageContaining("EBADF");
    }

    @Test
    void nativeBufferIsZeroedAndWritable() throws Exception {
        try (NativeBuffer buffer = NativeBuffer.allocate(1 << 20)) {
            ByteBuffer slice = buffer.slice(4096, 16);
            assertThat(slice.getLong(0)).isZero();
            slice.putLong(8, -2);
            assertThat(buffer.slice(4104, 8).getLong(0)).isEqualTo(-2);
        }
    }

    @Test
    void otherPlatformsAreNamedAndRefused() {
        assertThatThrownBy(() -> LinuxPlatform.require("Linux", "aarch64"))
                .isInstanceOf(UnsupportedException.class)
                .hasMessageContaining("x86-64 Linux, this is Linux on aarch64");
    }

    @Test
    void interruptedCallStartsAgainAndAFinishedOneDoesNot() {
        long[] registers = new long[Abi.USER_REGS_SIZE / 8];
        registers[Abi.USER_REGS_RIP / 8] = 1002;
        registers[Abi.USER_REGS_ORIG_RAX / 8] = Abi.SYS_PPOLL;
        registers[Abi.USER_REGS_RAX / 8] = -514;
        long[] again = Tracee.restarted(registers);
        assertThat(again[Abi.USER_REGS_RIP / 8]).isEqualTo(1000);
        assertThat(again[Abi.USER_REGS_RAX / 8]).isEqualTo(Abi.SYS_PPOLL);
        assertThat(again[Abi.USER_REGS_ORIG_RAX / 8]).isEqualTo(-1);
        registers[Abi.USER_REGS_RAX / 8] = -516;
        assertThat(Tracee.restarted(registers)[Abi.USER_REGS_RAX / 8])
                .isEqualTo(Abi.SYS_RESTART_SYSCALL);
        registers[Abi.USER_REGS_RAX / 8] = 1;
        assertThat(Tracee.restarted(registers)).isEqualTo(registers);
    }

    @Test
    void nobodyListensAtAWrongSocket() {
        assertThatThrownBy(() -> UnixPeer.pidOf(Path.of("/no/such.sock")))
                .hasMessageContaining("ENOENT");
        assertThatThrownBy(() -> UnixPeer.pidOf(Path.of("/" + "x".repeat(200))))
                .hasMessageContaining("too long");
    }
}
