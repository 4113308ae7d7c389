package org.vmckpt.cow.memory;

/**
 * What a capture did. A fault's service time runs from when its message was read to when its page
 * was writable again. Pages are those that are stored, of 4 KiB, but a huge page is armed, and
 * faults, as one.
 *
 * @param armAheadMicros time to protect what was wanted while the guest ran
 * @param faultsBeforePause writes by the guest to pages that were protected but not yet to be saved
 * @param armMicros time to protect what the guest had written since, spent in its pause
 * @param pagesArmedInPause pages protected in that time
 * @param windowMicros from when the guest goes on until the last page was read
 * @param faultCount writes by the guest that waited for their page to be saved
 * @param pagesCopied pages read from the memory file, by faults or in the background
 * @param holePages pages that were never written and were not read
 * @param buffer the room for originals on their way to the sink
 */
public record CaptureReport(
        double armAheadMicros,
        long faultsBeforePause,
        double armMicros,
        long pagesArmedInPause,
        double windowMicros,
        long faultCount,
        double faultMicrosP50,
        double faultMicrosP99,
        double faultMicrosMax,
        long pagesCopied,
        long bytesRead,
        long holePages,
        BufferUse buffer) {}
