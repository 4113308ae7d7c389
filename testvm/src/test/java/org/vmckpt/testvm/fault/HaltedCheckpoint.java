package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.DiskIo;
import org.vmckpt.cow.checkpoint.EngineName;

/** A process that takes a checkpoint and is killed with SIGKILL at one point of it. */
public final class HaltedCheckpoint {
    private HaltedCheckpoint() {}

    /** Returns when the process is gone, with the instant of the kill. */
    static Instant killAt(String point, Path qmpSocket, Store store, EngineName engine)
            throws Exception {
        return killAt(point, qmpSocket, store, engine, DiskIo.DRAIN);
    }

    /** The same with a choice what becomes of pending requests of volumes. */
    public static Instant killAt(
            String point, Path qmpSocket, Store store, EngineName engine, DiskIo diskIo)
            throws Exception {
        return killAt(point, qmpSocket.toString(), store, engine, diskIo);
    }

    /** The same for a guest that {@link HaltingCheckpointMain} finds by this text. */
    static Instant killAt(String point, String guest, Store store, EngineName engine, DiskIo diskIo)
            throws Exception {
        Process process =
                Programs.java(
                        List.of(),
                        HaltingCheckpointMain.class,
                        guest,
                        store.directory().toString(),
                        point,
                        engine.name(),
                        diskIo.name());
        try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
            assertThat(lines.readLine()).startsWith("at " + point);
            return Instant.now();
        } finally {
            process.destroyForcibly().waitFor();
        }
    }
}
