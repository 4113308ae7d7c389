package org.vmckpt.testvm.bench;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.DiskIo;

/** A checkpoint with one of the two ways to treat pending requests. */
final class ReissueContender implements Contender {
    /** Long enough for whatever the bench's disks take. */
    private static final Duration DRAIN_LIMIT = Duration.ofSeconds(20);

    private final String name;
    private final Path qmpSocket;
    private final DiskIo diskIo;
    private final Store store;
    private Optional<CheckpointId> previous = Optional.empty();

    ReissueContender(String name, Path qmpSocket, DiskIo diskIo, Path folder)
            throws VmckptException {
        this.name = name;
        this.qmpSocket = qmpSocket;
        this.diskIo = diskIo;
        this.store = Store.openOrCreate(folder.resolve("store-" + diskIo));
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public Measurement measure() throws VmckptException {
        CheckpointReport report =
                CheckpointService.checkpoint(
                        CheckpointRequest.of(qmpSocket, store)
                                .withDrainTimeout(DRAIN_LIMIT)
                                .withDiskIo(diskIo),
                        ProgressListener.none());
        if (previous.isPresent()) {
            store.remove(previous.get());
        }
        previous = Optional.of(report.manifest().id());
        return new Measurement(
                report.pause().stoppedAt(),
                OptionalDouble.of(report.pause().totalMicros() / 1000.0),
                OptionalDouble.of(report.copyWindowMicros() / 1000.0),
                OptionalDouble.of((double) report.durableMillis()),
                OptionalLong.of(report.storedBytes()),
                Map.of(),
                Map.of(),
                String.format(
                        Locale.ROOT,
                        "stop %.2f ms, %d requests issued again",
                        report.pause().stopMicros() / 1000.0,
                        report.manifest().statistics().getOrDefault("reissuedRequests", 0L)));
    }

    @Override
    public void close() {
        store.close();
    }
}
