package org.vmckpt.core.store;

import org.vmckpt.core.CheckpointId;

/**
 * What removing a checkpoint freed.
 *
 * @param segmentsRemoved that no other checkpoint uses
 * @param segmentsKept because another checkpoint uses them, or because they were skipped
 * @param bytesFreed by the removed segments
 * @param segmentsSkipped the store was in use: segments were left for the next cleaning
 */
public record RemoveReport(
        CheckpointId id,
        int segmentsRemoved,
        int segmentsKept,
        long bytesFreed,
        boolean segmentsSkipped) {}
