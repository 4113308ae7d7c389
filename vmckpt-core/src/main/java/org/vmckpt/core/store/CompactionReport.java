package org.vmckpt.core.store;

import java.util.List;

/**
 * What a compaction did.
 *
 * @param runsFolded how many runs of layers became one segment each
 * @param segmentsFolded how many segments these runs had
 * @param segmentBytesWritten size of the new segments
 * @param checkpointsChanged how often a manifest was made to name a new segment
 * @param cleaned what was removed because nothing needs it any more
 * @param problems why chains were left as they are: one message each
 */
public record CompactionReport(
        int runsFolded,
        int segmentsFolded,
        long segmentBytesWritten,
        int checkpointsChanged,
        CleanReport cleaned,
        List<String> problems) {
    public CompactionReport {
        problems = List.copyOf(problems);
    }
}
