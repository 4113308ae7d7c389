package org.vmckpt.core.store;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Manifest;

/** Whoever compacts is killed, again and again; every checkpoint stays what it was. */
class KilledCompactionTest {
    private static final int ROUNDS = 6;
    private static final int CHAIN = 16;
    private static final int MAX_MILLIS = 150;

    @TempDir private Path folder;

    @Test
    void aKillAtAnyInstantLeavesEveryCheckpointWhole() throws Exception {
        Random random = new Random();
        byte[] model = new byte[200 * Fixture.PAGE];
        Map<CheckpointId, byte[]> contents = new HashMap<>();
        for (int round = 0; round < ROUNDS; round++) {
            try (Store store = Store.openOrCreate(folder.resolve("store"))) {
                Optional<Manifest> last = Optional.empty();
                for (int i = 0; i < CHAIN; i++) {
                    last = Optional.of(Chains.next(store, last, model, random));
                    contents.put(last.orElseThrow().id(), model.clone());
                }
            }
            killWhileCompacting(random.nextInt(MAX_MILLIS));
            try (Store store = Store.open(folder.resolve("store"))) {
                assertThat(store.list()).hasSize(contents.size());
                for (Manifest manifest : store.list()) {
                    assertThat(Chains.read(store, manifest)).isEqualTo(contents.get(manifest.id()));
                }
                store.clean();
                assertThat(Chains.present(store)).isEqualTo(Chains.listed(store));
            }
            assertThat(folder.resolve("store/tmp")).isEmptyDirectory();
        }
    }

    private void killWhileCompacting(int afterMillis) throws Exception {
        Process process =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "--enable-native-access=ALL-UNNAMED",
                                "-cp",
                                System.getProperty("java.class.path"),
                                CompactorProcess.class.getName(),
                                folder.resolve("store").toString())
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        try (BufferedReader output = process.inputReader(StandardCharsets.UTF_8)) {
            assertThat(output.readLine()).isEqualTo("compacting");
            Thread.sleep(afterMillis);
        } finally {
            process.destroyForcibly();
            process.waitFor();
        }
    }
}
