package org.vmckpt.core.store;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Manifest;

/** Another process writes; it is respected while it lives, and cleaned up after when killed. */
class DeadWriterTest {
    @TempDir private Path folder;

    @Test
    void whatAKilledWriterLeftIsCleanedOnceItIsDead() throws Exception {
        try (Store store = Store.openOrCreate(folder.resolve("store"))) {
            Manifest manifest = Fixture.checkpoint(store, 1);
            Process writer = startWriter(store.directory());
            try {
                assertThat(store.remove(manifest.id()).segmentsSkipped()).isTrue();
                CleanReport report = store.clean();
                assertThat(report.segmentsSkipped()).isTrue();
                assertThat(report.temporaryDirectoriesRemoved()).isZero();
            } finally {
                writer.destroyForcibly();
                writer.waitFor();
            }
            assertThat(store.clean().temporaryDirectoriesRemoved()).isEqualTo(1);
        }
        assertThat(folder.resolve("store/tmp")).isEmptyDirectory();
        assertThat(folder.resolve("store/segments")).isEmptyDirectory();
    }

    private static Process startWriter(Path store) throws Exception {
        Process process =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "--enable-native-access=ALL-UNNAMED",
                                "-cp",
                                System.getProperty("java.class.path"),
                                WriterProcess.class.getName(),
                                store.toString())
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        BufferedReader output = process.inputReader(StandardCharsets.UTF_8);
        String line = output.readLine();
        assertThat(line).isEqualTo("writing");
        return process;
    }
}
