package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Set;
import org.vmckpt.core.VmckptException;

/**
 * QEMU's own snapshot of a running guest: memory only, and read by somebody who throws it away, so
 * it never waits and is never durable.
 */
final class BackgroundSnapshot implements Contender {
    private final Path qmpSocket;
    private final Path folder;

    BackgroundSnapshot(Path qmpSocket, Path folder) {
        this.qmpSocket = qmpSocket;
        this.folder = folder;
    }

    @Override
    public String name() {
        return "qemu background-snapshot";
    }

    @Override
    public Measurement measure() throws VmckptException, IOException, InterruptedException {
        try (StreamSink sink = StreamSink.discarding(folder);
                MigrationSession qemu =
                        MigrationSession.open(qmpSocket, Set.of("events", "background-snapshot"))) {
            qemu.migrate(sink.uri());
            Instant completed = qemu.completedAt();
            Instant resumed = qemu.resumedAt();
            long bytes = sink.awaitEnd();
            Instant stopped = qemu.stoppedAt();
            return new Measurement(
                    Optional.of(stopped),
                    OptionalDouble.of(Millis.between(stopped, resumed)),
                    OptionalDouble.of(Millis.between(resumed, completed)),
                    OptionalDouble.empty(),
                    OptionalLong.of(bytes));
        }
    }
}
