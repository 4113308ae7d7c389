package org.vmckpt.cow.memory;

import java.util.ArrayList;
import java.util.List;
import org.vmckpt.cow.linux.RemotePages;

/**
 * Memory that the guest writes just now, and that was let go. The kernel leaves it read-only, so
 * the next write to each page costs a fault; we take these faults for the guest, from outside. For
 * one thread.
 *
 * <p>Only what is let go and had data: a page that is protected would count as written by the
 * guest, and a hole would be filled.
 */
final class Prefaults {
    private record Piece(CaptureRegion region, int first, int end) {}

    private final CaptureState capture;
    private final long pid;
    private final List<Piece> pieces = new ArrayList<>();

    Prefaults(CaptureState capture, long pid) {
        this.capture = capture;
        this.pid = pid;
    }

    /** Notes pages that will have been let go by {@link #take}; 2 MiB at most. */
    void add(CaptureRegion region, int first, int end) {
        DataExtents data = region.data();
        if (!region.isHuge() && data != null && data.cover(first, end)) {
            pieces.add(new Piece(region, first, end));
        }
    }

    /** Takes the faults of all that was added. Nothing depends on it: it may fail. */
    void take() {
        for (Piece piece : pieces) {
            CaptureRegion region = piece.region;
            long bytes = region.bytesOf(piece.end - piece.first);
            if (capture.givenUp()
                    || RemotePages.tryFault(pid, region.addressOf(piece.first), bytes) < 0) {
                break;
            }
        }
        pieces.clear();
    }
}
