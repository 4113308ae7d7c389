package org.vmckpt.testvm.bench;

import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.Cancellation;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointSeries;
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.testvm.ConsoleLine;
import org.vmckpt.testvm.GuestConsole;
import org.vmckpt.testvm.Rate;
import org.vmckpt.testvm.TestGuest;
import org.vmckpt.testvm.Workload;

/**
 * Checkpoints of a series beside its first one, which is a full one, in the same round. Between two
 * of them the guest writes a share of its pages; in a checkpoint it is idle.
 */
final class IncrementalRounds {
    static final String FULL = "vmckpt, full";

    private static final Duration LIMIT = Duration.ofMinutes(2);
    private static final double WRITE_SECONDS = 2;

    /** The rest is written before the guest has said so and was told to stop. */
    private static final double STOP_AT = 0.9;

    private static final long SETTLE_MILLIS = 300;

    private final TestGuest guest;
    private final long memoryBytes;
    private final Store store;
    private final PrintStream log;
    private final Map<DirtyShare, Samples> samples = new EnumMap<>(DirtyShare.class);
    private List<CheckpointId> previous = List.of();

    IncrementalRounds(TestGuest guest, long memoryBytes, Store store, PrintStream log) {
        this.guest = guest;
        this.memoryBytes = memoryBytes;
        this.store = store;
        this.log = log;
    }

    /**
     * A guest whose memory is in use, as that of one that has run for long: what changed is a share
     * of all of memory, and so the full checkpoint beside it has to be of all of memory, too.
     */
    static TestGuest startGuest(long memoryBytes) {
        return GuestKind.startStill(memoryBytes, Workload.idle(memoryBytes / 4 * 3).filled());
    }

    static Store openStore(Path folder) throws VmckptException {
        return Store.openOrCreate(folder.resolve("series"));
    }

    Map<DirtyShare, Samples> run(int rounds) throws VmckptException, InterruptedException {
        CowLoad.IDLE.apply(guest.console());
        guest.console().stallRate(Rate.IDLE); // its touches would be dirty pages
        for (int round = 0; round <= rounds; round++) {
            take(round);
        }
        return samples;
    }

    private void take(int round) throws VmckptException, InterruptedException {
        List<CheckpointId> taken = new ArrayList<>();
        try (CheckpointSeries series =
                CheckpointSeries.open(
                        VmckptContender.fullCheckpoint(GuestAddress.of(guest.qmpSocket()), store),
                        "bench")) {
            CheckpointReport full = take(series, taken);
            // Only now, so that the disks' base is in the store as it would be for a user.
            for (CheckpointId old : previous.reversed()) {
                store.remove(old);
            }
            for (DirtyShare share : DirtyShare.values()) {
                write(share.pages(memoryBytes));
                CheckpointReport report = take(series, taken);
                log.printf(
                        Locale.ROOT,
                        "%s, %s, round %d: %.3f %% changed, window %.2f of %.2f ms, %d of %d"
                                + " bytes%n",
                        GuestKind.size(memoryBytes),
                        share.state(),
                        round,
                        changedPercent(report),
                        report.copyWindowMicros() / 1000.0,
                        full.copyWindowMicros() / 1000.0,
                        report.storedBytes(),
                        full.storedBytes());
                if (round > 0) {
                    Samples rows = samples.computeIfAbsent(share, _ -> new Samples());
                    add(rows, Samples.VMCKPT, report);
                    long alone = CompressedSize.ofNewestLayers(report, store);
                    add(rows, Samples.VMCKPT, CowQuantity.ALONE, LoadRounds.mebibytes(alone));
                    add(rows, FULL, full);
                }
            }
        }
        previous = taken;
    }

    private static CheckpointReport take(CheckpointSeries series, List<CheckpointId> taken)
            throws VmckptException {
        CheckpointReport report = series.take(ProgressListener.none(), new Cancellation());
        taken.add(report.manifest().id());
        return report;
    }

    /** The region is larger than every share, so each write is of another page. */
    private void write(long pages) throws InterruptedException {
        GuestConsole console = guest.console();
        long before = lastTick(console).memoryPages();
        console.memoryRate(Rate.perSecond(Math.max(1, (long) (pages / WRITE_SECONDS))));
        console.awaitTick(
                tick -> tick.memoryPages() >= before + (long) (pages * STOP_AT),
                pages + " writes of pages",
                LIMIT);
        console.memoryRate(Rate.IDLE);
        Thread.sleep(SETTLE_MILLIS);
    }

    private static ConsoleLine.Tick lastTick(GuestConsole console) {
        return console.awaitTick(console.awaitAnyTick(LIMIT).counter(), LIMIT);
    }

    private double changedPercent(CheckpointReport report) {
        long pages = report.manifest().statistics().getOrDefault("pagesWanted", 0L);
        return pages * 100.0 * CowLoad.PAGE_BYTES / memoryBytes;
    }

    private void add(Samples rows, String contender, CheckpointReport report) {
        add(rows, contender, CowQuantity.DIRTY, changedPercent(report));
        add(rows, contender, CowQuantity.PAUSE, report.pause().totalMicros() / 1000.0);
        add(rows, contender, CowQuantity.WINDOW, report.copyWindowMicros() / 1000.0);
        add(rows, contender, CowQuantity.DURABLE, (double) report.durableMillis());
        add(rows, contender, CowQuantity.BYTES, LoadRounds.mebibytes(report.storedBytes()));
    }

    private static void add(Samples rows, String contender, CowQuantity quantity, double value) {
        rows.add(quantity.label(), quantity.unit(), contender, value);
    }
}
