package org.vmckpt.core.store;

import java.util.List;
import org.vmckpt.core.CheckpointId;

/**
 * What a verification found. Every stored block of every segment was read.
 *
 * @param blocks verified without a problem
 * @param storedBytes of the segments read
 * @param problems one message per damaged block or unreadable segment; empty when all is well
 */
public record VerifyReport(
        CheckpointId id, int segments, long blocks, long storedBytes, List<String> problems) {
    public VerifyReport {
        problems = List.copyOf(problems);
    }

    public boolean intact() {
        return problems.isEmpty();
    }
}
