package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import org.vmckpt.core.VmckptException;
import org.vmckpt.testvm.ConsoleLine;
import org.vmckpt.testvm.GuestConsole;

/** The rounds of one guest under one load; the first one warms up and is not counted. */
final class LoadRounds {
    private static final long SETTLE_MILLIS = 1000;
    private static final Duration LIMIT = Duration.ofMinutes(1);

    private record Turn(
            int round,
            String contender,
            Measurement measurement,
            Stalls stalls,
            Optional<AroundWindow> around,
            WorkDone done,
            double diskMillis) {}

    private final GuestConsole console;
    private final CowLoad load;
    private final List<Contender> contenders;
    private final PrintStream log;
    private final List<Turn> turns = new ArrayList<>();

    LoadRounds(GuestConsole console, CowLoad load, List<Contender> contenders, PrintStream log) {
        this.console = console;
        this.load = load;
        this.contenders = List.copyOf(contenders);
        this.log = log;
    }

    void run(String label, int rounds) throws VmckptException, IOException, InterruptedException {
        load.apply(console);
        Thread.sleep(SETTLE_MILLIS);
        for (int round = 0; round <= rounds; round++) {
            for (Contender contender : contenders) {
                Turn turn = take(round, contender);
                log.printf(
                        Locale.ROOT,
                        "%s, round %d/%d: %-24s pause %.2f, window %.2f, durable %.0f, stall p99.9"
                                + " %.3f (around %.3f), longest %.2f ms, %.0f pages/s (around"
                                + " %.0f); %s%n",
                        label,
                        round,
                        rounds,
                        turn.contender(),
                        turn.measurement().pause().orElse(0),
                        turn.measurement().copyWindow().orElse(0),
                        turn.measurement().durable().orElse(0),
                        turn.stalls().p999Millis(),
                        turn.around().map(AroundWindow::p999Millis).orElse(0.0),
                        turn.stalls().longestMillis(),
                        turn.done().pagesPerSecond(),
                        turn.around().map(part -> part.writes() / part.seconds()).orElse(0.0),
                        turn.measurement().detail());
                turns.add(turn);
            }
        }
    }

    private Turn take(int round, Contender contender)
            throws VmckptException, IOException, InterruptedException {
        WorkDone before = WorkDone.next(console, load);
        StallWatch stalls = StallWatch.start(console);
        long tick = console.awaitAnyTick(LIMIT).counter();
        Measurement measurement = contender.measure();
        WorkDone after = WorkDone.next(console, load);
        List<ConsoleLine.Stall> reports = stalls.awaitReports();
        Turn turn =
                new Turn(
                        round,
                        contender.name(),
                        measurement,
                        Stalls.worstOf(reports),
                        AroundWindow.of(measurement, stalls, reports),
                        after.since(before),
                        longestDiskRequest(tick) / 1000.0);
        contender.tidy();
        return turn;
    }

    /** Microseconds. */
    private long longestDiskRequest(long afterTick) {
        return console.lines(ConsoleLine.Tick.class).stream()
                .filter(tick -> tick.counter() > afterTick)
                .mapToLong(ConsoleLine.Tick::diskMaxMicros)
                .max()
                .orElse(0);
    }

    /** What the guest wrote when nobody saved it: the median of the rounds. */
    double undisturbedPagesPerSecond() {
        return Distribution.of(undisturbed(0, Integer.MAX_VALUE)).p50();
    }

    /**
     * The same right before and right after a round: a guest's speed drifts by some ten percent.
     */
    private double undisturbedAround(int round) {
        return undisturbed(round - 1, round).stream().mapToDouble(rate -> rate).average().orElse(0);
    }

    private List<Double> undisturbed(int firstRound, int lastRound) {
        return turns.stream()
                .filter(turn -> turn.contender().equals(Undisturbed.NAME))
                .filter(turn -> turn.round() >= firstRound && turn.round() <= lastRound)
                .map(turn -> turn.done().pagesPerSecond())
                .toList();
    }

    Samples samples() {
        Samples samples = new Samples();
        List<Turn> counted = turns.stream().filter(turn -> turn.round() > 0).toList();
        for (Turn turn : counted) {
            add(samples, turn, CowQuantity.PAUSE, turn.measurement().pause());
        }
        for (Turn turn : counted) {
            double undisturbed = undisturbedAround(turn.round());
            Measurement measured = turn.measurement();
            measured.pauseParts()
                    .forEach((part, millis) ->
                            samples.add("pause, " + part, "ms", turn.contender(), millis));
            add(samples, turn, CowQuantity.STALL_P50, turn.stalls().p50Millis() * 1000);
            add(samples, turn, CowQuantity.STALL_P99, turn.stalls().p99Millis() * 1000);
            add(samples, turn, CowQuantity.STALL_P999, turn.stalls().p999Millis() * 1000);
            add(samples, turn, CowQuantity.STALL_LONGEST, turn.stalls().longestMillis() * 1000);
            turn.around()
                    .ifPresent(around ->
                            add(
                                    samples,
                                    turn,
                                    CowQuantity.WINDOW_P999,
                                    around.p999Millis() * 1000));
            if (undisturbed >= 1) {
                turn.around()
                        .filter(_ -> load == CowLoad.RANDOM)
                        .ifPresent(around ->
                                add(
                                        samples,
                                        turn,
                                        CowQuantity.WINDOW_LOST,
                                        around.writesLost(undisturbed)));
                add(samples, turn, CowQuantity.LOST, turn.done().pagesLost(undisturbed));
            }
            measured.own().forEach((quantity, value) -> add(samples, turn, quantity, value));
            if (turn.diskMillis() > 0) {
                add(samples, turn, CowQuantity.DISK_LONGEST, turn.diskMillis());
            }
            add(samples, turn, CowQuantity.WINDOW, measured.copyWindow());
            add(samples, turn, CowQuantity.DURABLE, measured.durable());
            measured.savedBytes()
                    .ifPresent(bytes -> add(samples, turn, CowQuantity.BYTES, mebibytes(bytes)));
        }
        return samples;
    }

    static double mebibytes(long bytes) {
        return bytes / (double) (1L << 20);
    }

    private static void add(
            Samples samples, Turn turn, CowQuantity quantity, OptionalDouble value) {
        value.ifPresent(number -> add(samples, turn, quantity, number));
    }

    private static void add(Samples samples, Turn turn, CowQuantity quantity, double value) {
        samples.add(quantity.label(), quantity.unit(), turn.contender(), value);
    }
}
