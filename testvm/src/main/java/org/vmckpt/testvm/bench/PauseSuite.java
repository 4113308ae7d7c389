package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.testvm.TestGuest;

/**
 * What it costs a guest to be saved. One guest of each kind; in every round each contender saves it
 * once, in turn.
 *
 * <p>The first round is not counted. It warms the JVM, and it puts all contenders in front of the
 * same memory: QEMU's migration reads pages that were never written, which allocates them, so after
 * the first round there is no hole left that vmckpt could skip.
 */
final class PauseSuite {
    private static final List<String> NOTES =
            List.of(
                    "pause: from QEMU's STOP event to its RESUME event.",
                    "copy window: from when the guest goes on until its memory is copied;"
                            + " stop-and-migrate copies in its pause.",
                    "longest stall: what a thread of the guest waited at most for one touch of a"
                            + " page, in the seconds from the stop until all is done (for vmckpt"
                            + " also saving and folding the disks). By the guest's own clock, which"
                            + " stands still in a pause: the pause comes on top."
                            + " undisturbed: the same with nobody saving anything.",
                    "time to durable: from the stop until all is on disk and synced; vmckpt's"
                            + " includes the disks, the peers save memory and devices only."
                            + " background-snapshot is read and thrown away, so it has none.",
                    "All of the guest's memory is allocated: the peers read it whole, and vmckpt"
                            + " shares their guest, so it has no hole to skip.");

    private final List<GuestKind> kinds;
    private final int rounds;
    private final boolean peers;
    private final PrintStream log;

    PauseSuite(List<GuestKind> kinds, int rounds, boolean peers, PrintStream log) {
        this.kinds = List.copyOf(kinds);
        this.rounds = rounds;
        this.peers = peers;
        this.log = log;
    }

    BenchReport run() throws VmckptException, IOException, InterruptedException {
        List<BenchRow> rows = new ArrayList<>();
        for (GuestKind kind : kinds) {
            rows.addAll(measure(kind));
        }
        return new BenchReport("pause", rows, NOTES);
    }

    private List<BenchRow> measure(GuestKind kind)
            throws VmckptException, IOException, InterruptedException {
        Samples samples = new Samples();
        try (BenchFolder folder = BenchFolder.create();
                TestGuest guest = kind.start();
                VmckptContender vmckpt =
                        new VmckptContender(GuestAddress.of(guest.qmpSocket()), folder.path())) {
            List<Contender> contenders =
                    peers ? contenders(vmckpt, guest, folder.path()) : List.of(vmckpt);
            for (int round = 0; round <= rounds; round++) {
                for (Contender contender : contenders) {
                    Turn turn = take(contender, guest);
                    log.println(turn.describe(kind, round, rounds));
                    if (round > 0) {
                        turn.addTo(samples);
                    }
                }
            }
            GuestKind.requireSound(guest.console(), kind.label());
        }
        return samples.rows(kind.label());
    }

    private static List<Contender> contenders(
            VmckptContender vmckpt, TestGuest guest, Path folder) {
        return List.of(
                vmckpt,
                new BackgroundSnapshot(guest.qmpSocket(), folder),
                new StopAndMigrate(guest.qmpSocket(), folder),
                new Undisturbed());
    }

    private static Turn take(Contender contender, TestGuest guest)
            throws VmckptException, IOException, InterruptedException {
        StallWatch stalls = StallWatch.start(guest.console());
        Measurement measurement = contender.measure();
        return new Turn(
                contender.name(),
                measurement,
                Stalls.worstOf(stalls.awaitReports()).longestMillis());
    }

    /** One contender in one round. */
    private record Turn(String contender, Measurement measurement, double stallMillis) {
        void addTo(Samples samples) {
            add(samples, "pause", measurement.pause());
            add(samples, "copy window", measurement.copyWindow());
            add(samples, "guest's longest stall", OptionalDouble.of(stallMillis));
            add(samples, "time to durable", measurement.durable());
        }

        private void add(Samples samples, String quantity, OptionalDouble value) {
            value.ifPresent(millis -> samples.add(quantity, "ms", contender, millis));
        }

        String describe(GuestKind kind, int round, int rounds) {
            return String.format(
                    Locale.ROOT,
                    "%s, %s: %-24s pause %s, copy window %s, stall %.2f, durable %s ms%s",
                    kind.label(),
                    round == 0 ? "warm-up" : "round %d/%d".formatted(round, rounds),
                    contender,
                    text(measurement.pause()),
                    text(measurement.copyWindow()),
                    stallMillis,
                    text(measurement.durable()),
                    measurement.detail().isEmpty() ? "" : "; " + measurement.detail());
        }

        private static String text(OptionalDouble value) {
            return value.isPresent()
                    ? String.format(Locale.ROOT, "%.2f", value.getAsDouble())
                    : "-";
        }
    }
}
