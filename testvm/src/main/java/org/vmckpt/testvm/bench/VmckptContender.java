package org.vmckpt.testvm.bench;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.StringJoiner;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.cow.checkpoint.PauseTimes;

/**
 * A whole checkpoint, memory and disks, into a store. It stays until the next one is there, as it
 * would for a user: the next one needs not copy a disk's base again.
 */
final class VmckptContender implements Contender {
    private final GuestAddress guest;
    private final Store store;
    private Optional<CheckpointId> previous = Optional.empty();

    VmckptContender(GuestAddress guest, Path folder) throws VmckptException {
        this.guest = guest;
        this.store = Store.openOrCreate(folder.resolve("store"));
    }

    @Override
    public String name() {
        return "vmckpt";
    }

    @Override
    public Measurement measure() throws VmckptException {
        CheckpointReport report =
                CheckpointService.checkpoint(fullCheckpoint(guest, store), ProgressListener.none());
        if (previous.isPresent()) {
            store.remove(previous.get());
        }
        previous = Optional.of(report.manifest().id());
        report.warnings().forEach(warning -> System.err.println("vmckpt warns: " + warning));
        return new Measurement(
                report.pause().stoppedAt(),
                OptionalDouble.of(report.pause().totalMicros() / 1000.0),
                OptionalDouble.of(report.copyWindowMicros() / 1000.0),
                OptionalDouble.of((double) report.durableMillis()),
                OptionalLong.of(report.storedBytes()),
                parts(report.pause()),
                faults(report),
                describe(report));
    }

    /** All of memory, as its peers save it, though an earlier checkpoint is in the store. */
    static CheckpointRequest fullCheckpoint(GuestAddress guest, Store store) {
        CheckpointRequest request = CheckpointRequest.of(guest, store);
        return new CheckpointRequest(
                request.guest(),
                request.store(),
                request.name(),
                request.cowBudgetBytes(),
                request.drainTimeout(),
                request.engine(),
                true,
                request.diskIo());
    }

    private static Map<String, Double> parts(PauseTimes pause) {
        Map<String, Double> parts = new LinkedHashMap<>();
        parts.put("stop", pause.stopMicros() / 1000.0);
        parts.put("fork", pause.forkMicros() / 1000.0);
        parts.put("devices", pause.devicesMicros() / 1000.0);
        parts.put("arm", pause.armMicros() / 1000.0);
        parts.put("cont", pause.contMicros() / 1000.0);
        return parts;
    }

    /** Without a fault there is no time of one. */
    static Map<CowQuantity, Double> faults(CheckpointReport report) {
        Map<String, Long> statistics = report.manifest().statistics();
        if (report.cowFaults() == 0) {
            return Map.of();
        }
        return Map.of(
                CowQuantity.FAULT_P50, (double) statistics.getOrDefault("cowFaultP50Micros", 0L),
                CowQuantity.FAULT_P99, (double) statistics.getOrDefault("cowFaultP99Micros", 0L));
    }

    private static String describe(CheckpointReport report) {
        StringJoiner text = new StringJoiner(", ");
        parts(report.pause())
                .forEach((name, millis) ->
                        text.add(String.format(Locale.ROOT, "%s %.2f", name, millis)));
        Map<String, Long> statistics = report.manifest().statistics();
        return "%s ms, %d COW faults; before the pause %d, %d pages left to it"
                .formatted(
                        text,
                        report.cowFaults(),
                        statistics.getOrDefault("faultsBeforePause", 0L),
                        statistics.getOrDefault("pagesArmedInPause", 0L));
    }

    @Override
    public void close() {
        store.close();
    }
}
