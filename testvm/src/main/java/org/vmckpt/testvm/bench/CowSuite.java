package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.testvm.TestGuest;

/**
 * What copy-on-write costs a guest. One guest of each size takes all loads, one after another;
 * under each, in every round, each contender saves it once, in turn. Then the guest is saved again
 * and again as a series.
 */
final class CowSuite {
    /** Of the rate that was asked for; less is said in a note. */
    private static final double REACHED = 0.95;

    private static final List<String> NOTES =
            List.of(
                    "Loads: a quarter of memory is rewritten at the named rate; random writes:"
                            + " pages of up to 128 MiB, one after another as fast as it goes.",
                    "pause: from QEMU's STOP event to its RESUME event; its parts overlap.",
                    "stalls: what one touch of a random page took, by the guest's own clock, which"
                            + " stands still in a pause. Of each percentile the worst quarter of a"
                            + " second of those from the preparation until all is done; around the"
                            + " window: of those that hold the pause and the copy window.",
                    "guest writes lost: pages that the guest would have written from the"
                        + " preparation until all was done, had nobody saved it (rate of"
                        + " undisturbed before and after the round); undisturbed shows the noise,"
                        + " and below 0 is noise. Around the window: the same of the quarters of a"
                        + " second that hold the pause and the copy window.",
                    "bytes saved: compressed by vmckpt, with the disks' part; the stream of memory"
                            + " and devices for the peers. All of memory is allocated.",
                    "background-snapshot is read and thrown away, so it is never durable.",
                    "dirty: an idle guest with data in three quarters of its memory that wrote this"
                            + " share of its pages since the checkpoint before, beside the full"
                            + " checkpoint of the same series; without khugepaged, which would move"
                            + " pages meanwhile.");

    private final List<Long> memorySizes;
    private final List<CowLoad> loads;
    private final int rounds;
    private final boolean peers;
    private final PrintStream log;
    private final List<CowResults.Cell> cells = new ArrayList<>();
    private final List<String> notes = new ArrayList<>(NOTES);

    CowSuite(
            List<Long> memorySizes,
            List<CowLoad> loads,
            int rounds,
            boolean peers,
            PrintStream log) {
        this.memorySizes = List.copyOf(memorySizes);
        this.loads = List.copyOf(loads);
        this.rounds = rounds;
        this.peers = peers;
        this.log = log;
    }

    CowResults run() throws VmckptException, IOException, InterruptedException {
        for (long memoryBytes : memorySizes) {
            measure(memoryBytes);
        }
        return new CowResults(cells, notes);
    }

    private void measure(long memoryBytes)
            throws VmckptException, IOException, InterruptedException {
        try (BenchFolder folder = BenchFolder.create();
                TestGuest guest = GuestKind.start(memoryBytes, CowLoad.workload(memoryBytes))) {
            measureLoads(guest, memoryBytes, folder.path());
            GuestKind.requireSound(guest.console(), GuestKind.size(memoryBytes));
        }
        if (loads.contains(CowLoad.IDLE)) {
            measureIncremental(memoryBytes);
        }
    }

    private void measureIncremental(long memoryBytes)
            throws VmckptException, IOException, InterruptedException {
        try (BenchFolder folder = BenchFolder.create();
                TestGuest guest = IncrementalRounds.startGuest(memoryBytes);
                Store store = IncrementalRounds.openStore(folder.path())) {
            new IncrementalRounds(guest, memoryBytes, store, log)
                    .run(rounds)
                    .forEach((share, samples) -> addCell(memoryBytes, share.state(), samples));
            GuestKind.requireSound(guest.console(), GuestKind.size(memoryBytes));
        }
    }

    private void measureLoads(TestGuest guest, long memoryBytes, Path folder)
            throws VmckptException, IOException, InterruptedException {
        try (VmckptContender vmckpt =
                new VmckptContender(GuestAddress.of(guest.qmpSocket()), folder)) {
            List<Contender> contenders = new ArrayList<>(List.of(vmckpt));
            if (peers) {
                contenders.add(new BackgroundSnapshot(guest.qmpSocket(), folder));
                contenders.add(new StopAndMigrate(guest.qmpSocket(), folder));
            }
            contenders.add(new Undisturbed());
            for (CowLoad load : loads) {
                LoadRounds turns = new LoadRounds(guest.console(), load, contenders, log);
                turns.run(GuestKind.size(memoryBytes) + ", " + load.label(), rounds);
                addCell(memoryBytes, load.label(), turns.samples());
                noteRate(memoryBytes, load, turns.undisturbedPagesPerSecond());
            }
        }
    }

    private void addCell(long memoryBytes, String state, Samples samples) {
        cells.add(new CowResults.Cell(memoryBytes, state, samples));
    }

    private void noteRate(long memoryBytes, CowLoad load, double pagesPerSecond) {
        double reached = pagesPerSecond * CowLoad.PAGE_BYTES;
        if (reached < load.bytesPerSecond() * REACHED) {
            notes.add(
                    String.format(
                            Locale.ROOT,
                            "%s, %s: the emulated guest reached %.0f MB/s when nobody saved it.",
                            GuestKind.size(memoryBytes),
                            load.label(),
                            reached / 1e6));
        }
    }
}
