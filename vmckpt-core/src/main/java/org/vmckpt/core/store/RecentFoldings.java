package org.vmckpt.core.store;

import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.vmckpt.core.SegmentName;

/**
 * What was folded lately, for a checkpoint that began before and is published after: without it
 * every checkpoint of a watched guest could be one step behind, and keep alive what was folded.
 * Forgetting one costs only that it is folded again.
 */
final class RecentFoldings {
    private static final int MAX_REMEMBERED = 64;

    private final StoreDirectory directory;

    /** Oldest first; guarded by this object. */
    private final Deque<Folding> foldings = new ArrayDeque<>();

    RecentFoldings(StoreDirectory directory) {
        this.directory = directory;
    }

    synchronized void add(Folding folding) {
        foldings.add(folding);
        if (foldings.size() > MAX_REMEMBERED) {
            foldings.remove();
        }
    }

    /** The caller holds the store, so that no segment vanishes after it was found here. */
    synchronized List<SegmentName> apply(List<SegmentName> layers) {
        List<SegmentName> folded = layers;
        for (Folding folding : foldings) {
            if (Files.isRegularFile(
                    directory.segment(folding.merged()), LinkOption.NOFOLLOW_LINKS)) {
                folded = folding.apply(folded);
            }
        }
        return folded;
    }
}
