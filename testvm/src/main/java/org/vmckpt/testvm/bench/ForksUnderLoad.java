package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.serving.ControlClient;
import org.vmckpt.cow.serving.VolumeServer;

/** How long forks of a volume take while its guest writes at random at depth 32. */
final class ForksUnderLoad {
    private static final int FORKS = 100;

    /** Frozen layers are folded now and then, as they would be. */
    private static final int COMMIT_EVERY = 10;

    private static final int SECONDS = 60;
    private static final double MICROS_PER_MILLI = 1000;

    private final Path volume;
    private final Path socket;

    ForksUnderLoad(Path volume, Path socket) {
        this.volume = volume;
        this.socket = socket;
    }

    /** As the server tells it, from the command to the swap. */
    BenchRow run() throws IOException, InterruptedException, VmckptException {
        List<Double> millis = new ArrayList<>();
        try (NbdContender.Server server = NbdContender.VMCKPT.serve(volume, socket)) {
            FioJob load = new FioJob("load", "randwrite", 4 << 10, 32, false);
            CompletableFuture<Void> writing =
                    CompletableFuture.runAsync(
                            () -> write(load, String.valueOf(volume.getFileName())));
            try (ControlClient control =
                    ControlClient.connect(VolumeServer.controlSocketOf(socket))) {
                for (int i = 1; i <= FORKS; i++) {
                    control.prepare(List.of());
                    millis.add(
                            control.fork(List.of(), Optional.empty()).at("/forks/0/micros").asLong()
                                    / MICROS_PER_MILLI);
                    if (i % COMMIT_EVERY == 0) {
                        control.commit(List.of(), Long.MAX_VALUE);
                    }
                }
            }
            if (writing.isDone()) {
                throw new IOException("the load ended before the forks");
            }
            server.process().destroy();
            writing.handle((_, _) -> true).join();
        }
        return new BenchRow(
                "fork while 4 KiB are written at depth 32",
                "ms",
                Distribution.of(millis),
                Map.of());
    }

    private void write(FioJob load, String export) {
        try {
            load.run(socket, export, SECONDS);
        } catch (IOException e) {
            // The server ended before it, as it should.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
