package org.vmckpt.testvm.bench;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.vmckpt.testvm.bench.CowTargets.Outcome;
import org.vmckpt.testvm.bench.CowTargets.Target;

/** What reissuing has to reach, by the medians of enough rounds. */
final class ReissueTargets {
    private static final long QUICK = 1;
    private static final long SLOW = 400;
    private static final double MOST_GROWTH = 1.5;
    private static final double MOST_MILLIS = 15;

    private final Map<Long, Samples> measured;
    private final boolean enoughRounds;

    private ReissueTargets(Map<Long, Samples> measured, boolean enoughRounds) {
        this.measured = measured;
        this.enoughRounds = enoughRounds;
    }

    static List<Target> judge(Map<Long, Samples> measured, int rounds) {
        return new ReissueTargets(measured, rounds >= CowTargets.ROUNDS).judge();
    }

    private List<Target> judge() {
        double quick = pause(QUICK, Samples.VMCKPT);
        double slow = pause(SLOW, Samples.VMCKPT);
        double drained = pause(SLOW, ReissueSuite.DRAIN);
        return List.of(
                target(
                        "pause p50 with reissue at 400 ms a request at most 1.5 times that at 1 ms",
                        "%.3f times".formatted(slow / quick),
                        slow <= MOST_GROWTH * quick),
                target(
                        "pause p50 with reissue at 400 ms a request at most 15 ms",
                        "%.2f ms".formatted(slow),
                        slow <= MOST_MILLIS),
                target(
                        "the same with drain shows the 400 ms",
                        "%.0f ms".formatted(drained),
                        drained >= SLOW));
    }

    private double pause(long delayMillis, String contender) {
        return Optional.ofNullable(measured.get(delayMillis))
                .flatMap(samples -> samples.find(ReissueSuite.PAUSE, contender))
                .orElseThrow()
                .p50();
    }

    private Target target(String wanted, String found, boolean reached) {
        Outcome outcome = reached ? Outcome.MET : Outcome.MISSED;
        return new Target(wanted, found, enoughRounds ? outcome : Outcome.OPEN);
    }
}
