package org.vmckpt.cow.memory;

/**
 * What a capture did. A fault's service time runs from when its message was read to when its page
 * was writable again.
 *
 * @param armMicros time to protect everything, spent in the guest's pause
 * @param windowMicros from the end of arming to the last lifted protection
 * @param faultCount writes by the guest that waited for their page to be saved
 * @param pagesCopied pages read from the memory file, by faults or in the background
 * @param holePages pages that were never written and were not read
 * @param faultsWaitedForBudget whether a fault found no free slot and had to wait for the sink
 */
public record CaptureReport(
        double armMicros,
        double windowMicros,
        long faultCount,
        double faultMicrosP50,
        double faultMicrosP99,
        double faultMicrosMax,
        long pagesCopied,
        long bytesRead,
        long holePages,
        boolean faultsWaitedForBudget) {}
