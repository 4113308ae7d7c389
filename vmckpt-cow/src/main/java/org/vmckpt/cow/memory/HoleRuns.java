package org.vmckpt.cow.memory;

import java.util.ArrayList;
import java.util.List;

/** Holes of the memory files that were passed on the way, in units of what is stored. */
final class HoleRuns {
    record Run(int region, long firstUnit, long unitCount) {}

    private final List<Run> runs = new ArrayList<>();
    private long units;

    /** One that continues the one before makes it longer. */
    void add(int region, long firstUnit, long unitCount) {
        units += unitCount;
        Run last = runs.isEmpty() ? null : runs.getLast();
        if (last != null
                && last.region() == region
                && last.firstUnit() + last.unitCount() == firstUnit) {
            runs.removeLast();
            runs.add(new Run(region, last.firstUnit(), last.unitCount() + unitCount));
        } else {
            runs.add(new Run(region, firstUnit, unitCount));
        }
    }

    List<Run> runs() {
        return runs;
    }

    long units() {
        return units;
    }
}
