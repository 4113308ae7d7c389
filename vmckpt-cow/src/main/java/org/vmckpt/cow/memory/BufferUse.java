package org.vmckpt.cow.memory;

import java.util.Locale;
import java.util.Optional;

/**
 * How far a capture used its buffer for originals.
 *
 * @param budgetBytes the most that it could hold
 * @param peakBytes the most that it did hold, about
 * @param hurried whether it ran full, so that the writers left their low priority and compressed
 *     less
 * @param faultWaitMicros how long writes of the guest then had to wait for room, all together
 */
public record BufferUse(long budgetBytes, long peakBytes, boolean hurried, double faultWaitMicros) {
    /** What to tell the user, if the buffer was too small. */
    public Optional<String> warning() {
        if (!hurried && faultWaitMicros == 0) {
            return Optional.empty();
        }
        String waits =
                faultWaitMicros == 0
                        ? "no write of the guest had to wait for room"
                        : String.format(
                                Locale.ROOT,
                                "writes of the guest waited %.1f ms for room",
                                faultWaitMicros / 1000);
        return Optional.of(
                "the buffer for originals of %d MiB ran full: pages were stored faster and larger, %s; a larger --cow-budget avoids that"
                        .formatted(budgetBytes >> 20, waits));
    }
}
