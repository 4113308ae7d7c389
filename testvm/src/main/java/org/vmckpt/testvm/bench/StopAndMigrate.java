package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Set;
import org.vmckpt.core.VmckptException;

/**
 * Stops the guest, writes its memory to a file, and lets it go on as soon as QEMU has written the
 * last byte; only then is the file synced.
 */
final class StopAndMigrate implements Contender {
    private final Path qmpSocket;
    private final Path folder;

    StopAndMigrate(Path qmpSocket, Path folder) {
        this.qmpSocket = qmpSocket;
        this.folder = folder;
    }

    @Override
    public String name() {
        return "qemu stop-and-migrate";
    }

    @Override
    public Measurement measure() throws VmckptException, IOException, InterruptedException {
        Path file = folder.resolve("migrated");
        try (StreamSink sink = StreamSink.toFile(folder, file);
                MigrationSession qemu = MigrationSession.open(qmpSocket, Set.of("events"))) {
            long start = System.nanoTime();
            save(qemu, sink.uri());
            Instant resumed = qemu.resumedAt();
            long bytes = sink.awaitEnd();
            sink.sync();
            double durableMillis = (System.nanoTime() - start) / 1e6;
            Instant stopped = qemu.stoppedAt();
            return new Measurement(
                    Optional.of(stopped),
                    OptionalDouble.of(Millis.between(stopped, resumed)),
                    OptionalDouble.empty(),
                    OptionalDouble.of(durableMillis),
                    OptionalLong.of(bytes));
        } finally {
            Files.deleteIfExists(file);
        }
    }

    private static void save(MigrationSession qemu, String uri) throws VmckptException {
        qemu.stop();
        qemu.migrate(uri);
        qemu.completedAt();
        qemu.cont();
    }
}
