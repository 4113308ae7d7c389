package org.vmckpt.testvm.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.ToDoubleFunction;

/**
 * What copy-on-write has to reach, and whether it did. A target that is meant for a guest of
 * another size than was measured stays open, and shows what the nearest measured size gives; so
 * does every target when the rounds were too few.
 */
final class CowTargets {
    enum Outcome {
        MET,
        MISSED,
        OPEN
    }

    record Target(String wanted, String found, Outcome outcome) {
        @Override
        public String toString() {
            return String.format(Locale.ROOT, "%-6s  %s: %s", outcome, wanted, found);
        }
    }

    private static final long MIB = 1L << 20;
    private static final long SMALL = 512 * MIB;
    private static final long MIDDLE = 2048 * MIB;
    private static final long LARGE = 8192 * MIB;
    private static final String BACKGROUND = "qemu background-snapshot";

    private final CowResults results;
    private final boolean enoughRounds;
    private final List<Target> targets = new ArrayList<>();

    private CowTargets(CowResults results, boolean enoughRounds) {
        this.results = results;
        this.enoughRounds = enoughRounds;
    }

    /** Fewer rounds show what to expect, but no target is met or missed by them. */
    static final int ROUNDS = 20;

    static List<Target> judge(CowResults results, int rounds) {
        CowTargets targets = new CowTargets(results, rounds >= ROUNDS);
        targets.judgePause();
        targets.judgeWindow();
        targets.judgeRandomWrites();
        targets.judgeIncremental();
        targets.judgeFaults();
        return List.copyOf(targets.targets);
    }

    private void judgePause() {
        long small = nearest(SMALL);
        long large = nearest(LARGE);
        add(
                "pause p50 at 8 GiB at most 1.25 times that at 512 MiB, whatever the load",
                small == large ? OptionalDouble.empty() : worstPauseGrowth(small, large),
                1.25,
                " times, %s against %s".formatted(GuestKind.size(large), GuestKind.size(small)),
                small == SMALL && large == LARGE);
        add(
                "pause p50 under load at most 6 ms",
                worst(CowQuantity.PAUSE, Distribution::p50),
                6,
                " ms",
                true);
        add(
                "pause p99 under load at most 12 ms",
                worst(CowQuantity.PAUSE, Distribution::p99),
                12,
                " ms",
                true);
    }

    private OptionalDouble worstPauseGrowth(long small, long large) {
        return Arrays.stream(CowLoad.values())
                .map(load ->
                        ratio(
                                find(large, load.label(), CowQuantity.PAUSE, Samples.VMCKPT),
                                find(small, load.label(), CowQuantity.PAUSE, Samples.VMCKPT),
                                Distribution::p50))
                .flatMapToDouble(OptionalDouble::stream)
                .max();
    }

    private OptionalDouble worst(CowQuantity quantity, ToDoubleFunction<Distribution> part) {
        return results.memorySizes().stream()
                .flatMap(size ->
                        Arrays.stream(CowLoad.values())
                                .filter(load -> load != CowLoad.IDLE)
                                .map(load -> find(size, load.label(), quantity, Samples.VMCKPT)))
                .flatMap(Optional::stream)
                .mapToDouble(part)
                .max();
    }

    private void judgeWindow() {
        long size = nearest(MIDDLE);
        OptionalDouble worst =
                Arrays.stream(CowLoad.values())
                        .map(load -> ofBackground(size, load, CowQuantity.WINDOW))
                        .flatMapToDouble(OptionalDouble::stream)
                        .max();
        add(
                "copy window at 2 GiB at most 0.1 of background-snapshot's, whatever the load",
                worst,
                0.1,
                " of it, " + GuestKind.size(size),
                size == MIDDLE);
    }

    private void judgeRandomWrites() {
        for (long size : results.memorySizes()) {
            String unit = " of it, " + GuestKind.size(size);
            add(
                    "random writes flat out: p99.9 of a write around the window at most half of"
                            + " background-snapshot's",
                    ofBackground(size, CowLoad.RANDOM, CowQuantity.WINDOW_P999),
                    0.5,
                    unit,
                    true);
            add(
                    "random writes flat out: writes lost around the window at most a fifth of"
                            + " background-snapshot's",
                    ofBackground(size, CowLoad.RANDOM, CowQuantity.WINDOW_LOST),
                    0.2,
                    unit,
                    true);
            add(
                    "random writes flat out: writes lost from the preparation until durable at"
                            + " most a fifth of background-snapshot's",
                    ofBackground(size, CowLoad.RANDOM, CowQuantity.LOST),
                    0.2,
                    unit,
                    true);
        }
    }

    private void judgeIncremental() {
        long size = nearest(MIDDLE);
        String unit = " of it, " + GuestKind.size(size);
        add(
                "1 % dirty of 2 GiB: window at most a twentieth of the full checkpoint's",
                ofFull(size, CowQuantity.WINDOW), 1 / 20.0, unit, size == MIDDLE);
        add(
                "1 % dirty of 2 GiB: bytes stored at most a thirtieth of the full checkpoint's",
                ofFull(size, CowQuantity.BYTES), 1 / 30.0, unit, size == MIDDLE);
        String state = DirtyShare.PERCENT.state();
        add(
                "1 % dirty of 2 GiB: bytes stored at most 1.2 times the pages compressed alone",
                ratio(
                        find(size, state, CowQuantity.BYTES, Samples.VMCKPT),
                        find(size, state, CowQuantity.ALONE, Samples.VMCKPT),
                        Distribution::p50),
                1.2,
                " times, " + GuestKind.size(size),
                size == MIDDLE);
    }

    private void judgeFaults() {
        add(
                "fault service p50 at most 15 us, whatever the load",
                worst(CowQuantity.FAULT_P50, Distribution::p50),
                15,
                " us",
                true);
        add(
                "fault service p99 at most 150 us, whatever the load",
                worst(CowQuantity.FAULT_P99, Distribution::p50),
                150,
                " us",
                true);
    }

    private OptionalDouble ofBackground(long size, CowLoad load, CowQuantity quantity) {
        return ratio(
                find(size, load.label(), quantity, Samples.VMCKPT),
                find(size, load.label(), quantity, BACKGROUND),
                Distribution::p50);
    }

    private OptionalDouble ofFull(long size, CowQuantity quantity) {
        String state = DirtyShare.PERCENT.state();
        return ratio(
                find(size, state, quantity, Samples.VMCKPT),
                find(size, state, quantity, IncrementalRounds.FULL),
                Distribution::p50);
    }

    private Optional<Distribution> find(
            long size, String state, CowQuantity quantity, String contender) {
        return results.find(size, state, quantity.label(), contender);
    }

    /** None when the divisor is not above 0: then nothing was measured but noise. */
    private static OptionalDouble ratio(
            Optional<Distribution> ours,
            Optional<Distribution> theirs,
            ToDoubleFunction<Distribution> part) {
        if (ours.isEmpty() || theirs.isEmpty() || part.applyAsDouble(theirs.get()) <= 0) {
            return OptionalDouble.empty();
        }
        return OptionalDouble.of(part.applyAsDouble(ours.get()) / part.applyAsDouble(theirs.get()));
    }

    private long nearest(long wanted) {
        return results.memorySizes().stream()
                .min((one, other) -> Long.compare(Math.abs(one - wanted), Math.abs(other - wanted)))
                .orElse(0L);
    }

    private void add(String wanted, OptionalDouble found, double most, String unit, boolean meant) {
        if (found.isEmpty()) {
            targets.add(new Target(wanted, "not measured", Outcome.OPEN));
            return;
        }
        Outcome outcome = found.getAsDouble() <= most ? Outcome.MET : Outcome.MISSED;
        targets.add(
                new Target(
                        wanted,
                        String.format(Locale.ROOT, "%.3f%s", found.getAsDouble(), unit),
                        meant && enoughRounds ? outcome : Outcome.OPEN));
    }
}
