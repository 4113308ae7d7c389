package org.vmckpt.core.store;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.vmckpt.core.SegmentName;

/**
 * One segment that says what a run of layers says together.
 *
 * @param run neighbouring layers, oldest first
 */
record Folding(List<SegmentName> run, SegmentName merged) {
    Folding {
        run = List.copyOf(run);
    }

    /** The layers with the merged segment in the run's place; as they are when it is not there. */
    List<SegmentName> apply(List<SegmentName> layers) {
        int at = Collections.indexOfSubList(layers, run);
        if (at < 0) {
            return layers;
        }
        List<SegmentName> folded = new ArrayList<>(layers.subList(0, at));
        folded.add(merged);
        folded.addAll(layers.subList(at + run.size(), layers.size()));
        return folded;
    }
}
