package org.vmckpt.testvm.bench;

import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.vmckpt.testvm.bench.CowTargets.Outcome;
import org.vmckpt.testvm.bench.CowTargets.Target;

/** What a checkpoint of a domain has to reach beside libvirt's live snapshot, under each load. */
final class LibvirtTargets {
    private static final double MOST = 1 / 3.0;

    private LibvirtTargets() {}

    static List<Target> judge(CowResults results, int rounds) {
        return results.cells().stream()
                .map(cell -> judge(cell, rounds >= CowTargets.ROUNDS))
                .toList();
    }

    private static Target judge(CowResults.Cell cell, boolean enoughRounds) {
        String wanted = cell.label() + ": pause p50 at most a third of libvirt's live snapshot's";
        Optional<Distribution> ours = pause(cell, Samples.VMCKPT);
        Optional<Distribution> theirs = pause(cell, LiveSnapshot.NAME);
        if (ours.isEmpty() || theirs.isEmpty()) {
            return new Target(wanted, "not measured", Outcome.OPEN);
        }
        double ratio = ours.get().p50() / theirs.get().p50();
        String found =
                String.format(
                        Locale.ROOT,
                        "%.3f of it (%.2f against %.2f ms)",
                        ratio,
                        ours.get().p50(),
                        theirs.get().p50());
        Outcome outcome = ratio <= MOST ? Outcome.MET : Outcome.MISSED;
        return new Target(wanted, found, enoughRounds ? outcome : Outcome.OPEN);
    }

    private static Optional<Distribution> pause(CowResults.Cell cell, String contender) {
        return cell.samples().find(CowQuantity.PAUSE.label(), contender);
    }
}
