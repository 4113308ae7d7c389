package org.vmckpt.core.store;

import java.util.Collection;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;

/**
 * Keeps a hold on the store from the first open segment writer until all that was written is
 * published: without it another process could take new segments for garbage.
 */
final class UnpublishedSegments implements AutoCloseable {
    private final StoreLock lock;

    /** These are guarded by this object. */
    private final Set<SegmentName> finished = new HashSet<>();

    private int openWriters;
    private @Nullable StoreHold hold;

    UnpublishedSegments(StoreLock lock) {
        this.lock = lock;
    }

    /** Takes the hold with the first writer, before anything is written. */
    synchronized void writerOpened() throws VmckptException {
        if (hold == null) {
            hold = lock.share("write to");
        }
        openWriters++;
    }

    /** {@code name} is null when the segment was given up. */
    synchronized void writerClosed(@Nullable SegmentName name) {
        openWriters--;
        if (name != null) {
            finished.add(name);
        }
        releaseWhenDone();
    }

    /** Whether this segment was finished here and is not published yet. */
    synchronized boolean contains(SegmentName name) {
        return finished.contains(name);
    }

    /** They are listed by a manifest now, or not wanted any more. */
    synchronized void forget(Collection<SegmentName> segments) {
        finished.removeAll(segments);
        releaseWhenDone();
    }

    private void releaseWhenDone() {
        if (openWriters == 0 && finished.isEmpty()) {
            close();
        }
    }

    @Override
    public synchronized void close() {
        if (hold != null) {
            hold.close();
            hold = null;
        }
    }
}
