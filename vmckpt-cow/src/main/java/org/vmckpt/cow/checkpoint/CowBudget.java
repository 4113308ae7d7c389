package org.vmckpt.cow.checkpoint;

import java.util.OptionalLong;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.memory.FreeMemory;

/** How much memory may hold originals on their way to the store. */
final class CowBudget {
    private static final int FREE_SHARE = 4;
    private static final long SPARE_BYTES = 16L << 20;

    private CowBudget() {}

    /**
     * What was asked for, or the smaller of guest memory (and a little, for slots that are not
     * full) and a quarter of free memory, in bytes.
     *
     * @param minBytes the least that will do
     */
    static long choose(OptionalLong asked, long guestBytes, long minBytes) throws VmckptException {
        long freeBytes = FreeMemory.bytes();
        if (asked.isPresent() && asked.getAsLong() > freeBytes) {
            throw new RefusedException(
                    "checkpoint: --cow-budget "
                            + asked.getAsLong()
                            + " bytes is more than the "
                            + freeBytes
                            + " bytes that are free on this host; give less");
        }
        long chosen = asked.orElse(Math.min(guestBytes + SPARE_BYTES, freeBytes / FREE_SHARE));
        // Some slots stand ready for faults alone; without them a full copy would not fit.
        return asked.isPresent() ? chosen : Math.max(chosen, minBytes);
    }
}
