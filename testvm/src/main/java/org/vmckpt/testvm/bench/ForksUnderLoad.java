package org.vmckpt.testvm.bench;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.serving.ControlClient;
import org.vmckpt.cow.serving.VolumeServer;

/**
 * How long forks of a volume take while its guest writes at random at depth 32: as in a checkpoint,
 * with a hold and what it needs prepared before.
 */
final class ForksUnderLoad {
    /** Frozen layers are folded now and then, as they would be. */
    private static final int COMMIT_EVERY = 10;

    private static final int LOOK_MILLIS = 20;
    private static final int SECONDS = 300;
    private static final double MICROS_PER_MILLI = 1000;
    private static final double NANOS_PER_MILLI = 1e6;
    private static final String OWNER = "bench";

    private final Path volume;
    private final Path socket;
    private final int count;

    /** From when the server has the command to the swap, as it tells. */
    private final List<Double> swap = new ArrayList<>();

    /** As its client waits for it. */
    private final List<Double> answer = new ArrayList<>();

    ForksUnderLoad(Path volume, Path socket, int count) {
        this.volume = volume;
        this.socket = socket;
        this.count = count;
    }

    List<BenchRow> run() throws IOException, InterruptedException, VmckptException {
        try (NbdContender.Server server = NbdContender.VMCKPT.serve(volume, socket)) {
            FioJob load = new FioJob("load", "randwrite", 4 << 10, 32, false);
            CompletableFuture<Void> writing =
                    CompletableFuture.runAsync(
                            () -> write(load, String.valueOf(volume.getFileName())));
            try (ControlClient control = connect()) {
                for (int i = 1; i <= count; i++) {
                    fork(control);
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
        return List.of(
                row("fork while 4 KiB are written at depth 32", swap),
                row("the same until a client on the same processors has the answer", answer));
    }

    /** The server makes it after the socket that was waited for. */
    private ControlClient connect() throws VmckptException, InterruptedException {
        Path control = VolumeServer.controlSocketOf(socket);
        while (!Files.exists(control)) {
            Thread.sleep(LOOK_MILLIS);
        }
        return ControlClient.connect(control);
    }

    /** How long requests can feel a fork, in milliseconds. */
    Distribution requestsWait() {
        return Distribution.of(swap);
    }

    private static BenchRow row(String name, List<Double> millis) {
        return new BenchRow(name, "ms", Distribution.of(millis), Map.of());
    }

    private void fork(ControlClient control) throws VmckptException {
        control.prepare(List.of(), OWNER);
        long start = System.nanoTime();
        JsonNode fork = control.fork(List.of(), Optional.of(OWNER)).at("/forks/0");
        answer.add((System.nanoTime() - start) / NANOS_PER_MILLI);
        swap.add(fork.path("micros").asLong() / MICROS_PER_MILLI);
        control.unhold(List.of(), OWNER);
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
