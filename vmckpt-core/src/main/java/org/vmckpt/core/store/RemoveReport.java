package org.vmckpt.core.store;

import org.vmckpt.core.CheckpointId;

/**
 * What removing a checkpoint freed.
 *
 * @param segmentsRemoved that no other checkpoint uses
 * @param segmentsKept because another checkpoint uses them
 * @param bytesFreed by the removed segments
 */
public record RemoveReport(
        CheckpointId id, int segmentsRemoved, int segmentsKept, long bytesFreed) {}
