package org.vmckpt.testvm.bench;

import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.PauseTimes;
import org.vmckpt.testvm.TestGuest;

/**
 * A whole checkpoint, memory and disks, into a store. It stays until the next one is there, as it
 * would for a user: the next one needs not copy a disk's base again.
 */
final class VmckptContender implements Contender {
    private final Store store;
    private Optional<CheckpointId> previous = Optional.empty();

    VmckptContender(Path folder) throws VmckptException {
        this.store = Store.openOrCreate(folder.resolve("store"));
    }

    @Override
    public String name() {
        return "vmckpt";
    }

    @Override
    public Measurement measure(TestGuest guest) throws VmckptException {
        CheckpointReport report =
                CheckpointService.checkpoint(
                        CheckpointRequest.of(guest.qmpSocket(), store), ProgressListener.none());
        if (previous.isPresent()) {
            store.remove(previous.get());
        }
        previous = Optional.of(report.manifest().id());
        report.warnings().forEach(warning -> System.err.println("vmckpt warns: " + warning));
        return new Measurement(
                OptionalDouble.of(report.pause().totalMicros() / 1000.0),
                OptionalDouble.of(report.copyWindowMicros() / 1000.0),
                OptionalDouble.of((double) report.durableMillis()),
                describe(report));
    }

    private static String describe(CheckpointReport report) {
        PauseTimes parts = report.pause();
        return String.format(
                Locale.ROOT,
                "stop %.2f, fork %.2f, devices %.2f, arm %.2f, cont %.2f ms, %d COW faults",
                parts.stopMicros() / 1000.0,
                parts.forkMicros() / 1000.0,
                parts.devicesMicros() / 1000.0,
                parts.armMicros() / 1000.0,
                parts.contMicros() / 1000.0,
                report.cowFaults());
    }

    @Override
    public void close() {
        store.close();
    }
}
