package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class GuestConsoleTest {
    private static final String BOOT =
            "{\"t\":\"boot\",\"nonce\":\"ab\",\"vcpus\":2,\"mem_region\":4096,"
                    + "\"disks\":[{\"name\":\"vda\",\"bytes\":8192}],\"mono_ms\":7}\n";

    @TempDir private Path folder;
    private Path log;
    private GuestConsole console;

    @BeforeEach
    void followLog() {
        log = folder.resolve("console.log");
        console = new GuestConsole(log, folder.resolve("none.sock"));
    }

    @Test
    void logThatDoesNotExistYetIsEmpty() {
        assertThat(console.lines()).isEmpty();
        assertThat(console.latestTick()).isEmpty();
        assertThat(console.errors()).isZero();
    }

    @Test
    void lineIsSeenOnlyWhenItIsWhole() throws IOException {
        append(BOOT.substring(0, 20));
        assertThat(console.lines()).isEmpty();

        append(BOOT.substring(20));

        ConsoleLine.Boot boot = console.awaitBoot(Duration.ofSeconds(1));
        assertThat(boot.nonce()).isEqualTo("ab");
        assertThat(boot.disks()).containsExactly(new ConsoleLine.BootDisk("vda", 8192));
    }

    @Test
    void latestTickIsTheLastAndAwaitedTickTheFirstThatFits() throws IOException {
        append(tick(3, 0) + tick(4, 0) + tick(5, 0));

        assertThat(console.latestTick().orElseThrow().counter()).isEqualTo(5);
        assertThat(console.awaitTick(3, Duration.ofSeconds(1)).counter()).isEqualTo(4);
    }

    @Test
    void errorsAreTheMostThatAnyLineTells() throws IOException {
        append(
                tick(1, 2)
                        + "{\"t\":\"error\",\"n\":3,\"what\":\"disk\",\"wrong\":\"lost-write\"}\n");

        assertThat(console.errors()).isEqualTo(3);
        assertThat(console.faults().getFirst().wrong()).isEqualTo("lost-write");
    }

    @Test
    void lastWordsOfTheKernelAreStrayLines() throws IOException {
        append("[    1.0] Kernel panic - not syncing\n\n{\"t\":\"tick\",\"cou\n{}\n");

        assertThat(console.lines()).hasSize(3).allMatch(ConsoleLine.Stray.class::isInstance);
    }

    @Test
    void waitingInVainTellsWhatWasSaidLast() throws IOException {
        append(tick(1, 0));

        assertThatThrownBy(() -> console.awaitTick(1, Duration.ofMillis(50)))
                .isInstanceOf(TestGuestException.class)
                .hasMessageContaining("a tick after counter 1")
                .hasMessageContaining("counter=1");
    }

    @Test
    void waitingEndsWithTheGuest() {
        GuestConsole dead = new GuestConsole(log, folder.resolve("none.sock"), () -> false);

        assertThatThrownBy(() -> dead.awaitBoot(Duration.ofHours(1)))
                .isInstanceOf(TestGuestException.class)
                .hasMessageContaining("QEMU has ended");
    }

    @Test
    void commandWithoutAGuestNamesTheSocket() {
        assertThatThrownBy(console::stop)
                .isInstanceOf(TestGuestException.class)
                .hasMessageContaining("none.sock");
    }

    private void append(String text) throws IOException {
        Files.writeString(log, text, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    private static String tick(long counter, long errors) {
        return ("{\"t\":\"tick\",\"counter\":%d,\"mono_ms\":1,\"nonce\":\"ab\",\"errors\":%d,"
                        + "\"stopped\":false,\"mem_passes\":0,\"mem_pages\":0,\"disk_writes\":0,"
                        + "\"disk_reads\":0,\"disk_syncs\":0,\"disk_max_us\":0}\n")
                .formatted(counter, errors);
    }
}
