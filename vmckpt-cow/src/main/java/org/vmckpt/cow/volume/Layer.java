package org.vmckpt.cow.volume;

import java.io.IOException;
import org.vmckpt.cow.block.BlockDevice;

/**
 * One layer of a volume, with all layers below it: reading it reads through. A layer is older than
 * another if it was active earlier.
 */
public final class Layer {
    private final BlockDevice device;
    private final long groupBytes;

    // Guarded by the ledger's lock.
    int running;
    int changing;
    long changesEnded;

    // Guarded by this layer's own lock, which is held across a sync.
    private long changesSynced;

    /**
     * @param groupBytes its block groups, a power of two
     */
    public Layer(BlockDevice device, long groupBytes) {
        if (Long.bitCount(groupBytes) != 1) {
            throw new IllegalArgumentException("block groups of " + groupBytes + " bytes");
        }
        this.device = device;
        this.groupBytes = groupBytes;
    }

    public BlockDevice device() {
        return device;
    }

    public long groupBytes() {
        return groupBytes;
    }

    /** Syncs unless all changes that had ended by then were synced before. */
    void sync(long ended) throws IOException {
        synchronized (this) {
            if (changesSynced >= ended) {
                return;
            }
        }
        device.flush();
        synchronized (this) {
            changesSynced = Math.max(changesSynced, ended);
        }
    }
}
