package org.vmckpt.core.store;

/**
 * What a cleaning found and removed.
 *
 * @param temporaryDirectoriesRemoved left by writers that no longer live
 * @param segmentsRemoved that no checkpoint lists
 * @param segmentsSkipped whether unlisted segments were left alone because the store is in use
 */
public record CleanReport(
        int temporaryDirectoriesRemoved,
        int segmentsRemoved,
        long bytesFreed,
        boolean segmentsSkipped) {}
