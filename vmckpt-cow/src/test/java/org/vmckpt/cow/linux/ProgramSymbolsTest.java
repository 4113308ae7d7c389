package org.vmckpt.cow.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class ProgramSymbolsTest {
    /** A pointer to the shell's version, of which it is known how it begins. */
    private static final String SYMBOL = "dist_version";

    @Test
    void symbolIsFoundWhereTheProgramWasLoaded() throws Exception {
        Process shell = new ProcessBuilder("/bin/bash", "-c", "read line").start();
        try {
            long address = ProgramSymbols.address(shell.pid(), SYMBOL).orElseThrow();
            ByteBuffer pointer = read(shell.pid(), address, Long.BYTES);
            long text = pointer.order(ByteOrder.LITTLE_ENDIAN).getLong(0);
            String version =
                    StandardCharsets.US_ASCII.decode(read(shell.pid(), text, 2)).toString();
            assertThat(version).isEqualTo("5.");
            assertThat(ProgramSymbols.address(shell.pid(), SYMBOL)).hasValue(address);
            assertThat(ProgramSymbols.address(shell.pid(), "no_such_symbol")).isEmpty();
            // Of a library: the program only uses it.
            assertThat(ProgramSymbols.address(shell.pid(), "stpcpy")).isEmpty();
        } finally {
            shell.destroyForcibly().waitFor();
        }
    }

    @Test
    void processThatIsGoneIsAnError() throws Exception {
        Process gone = new ProcessBuilder("/bin/true").start();
        gone.waitFor();
        assertThatThrownBy(() -> ProgramSymbols.address(gone.pid(), SYMBOL))
                .isInstanceOf(IOException.class);
    }

    private static ByteBuffer read(long pid, long address, int count) throws Exception {
        ByteBuffer bytes = ByteBuffer.allocate(count);
        try (GuestFile memory = GuestFile.openForReading(Path.of("/proc", "" + pid, "mem"))) {
            assertThat(memory.pread(bytes, address)).isEqualTo(count);
        }
        return bytes.flip();
    }
}
