package org.vmckpt.cow.volume;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The requests of a ledger that work on a layer just now. They are a list of their own links:
 * beginning and ending allocate nothing. Guarded by the ledger's lock.
 */
final class RunningRequests {
    private @Nullable PendingRequest newest;

    /** Changes under way that a new write may have to wait for. */
    private int obstacles;

    /** How many requests have run so far; each has its number. */
    private long begun;

    void add(PendingRequest request, Layer active) {
        request.state = PendingRequest.State.RUNNING;
        request.number = ++begun;
        request.layer = active;
        active.running++;
        if (request.changes) {
            active.changing++;
        }
        request.next = null;
        request.previous = newest;
        if (newest != null) {
            newest.next = request;
        }
        newest = request;
    }

    /** Returns whether others may have waited for it. */
    boolean remove(PendingRequest request, Layer active) {
        boolean obstacle = isObstacle(request, active);
        if (obstacle) {
            obstacles--;
        }
        Layer layer = request.layer();
        layer.running--;
        if (request.changes) {
            layer.changing--;
            layer.changesEnded++;
        }
        if (request.previous != null) {
            request.previous.next = request.next;
        }
        if (request.next != null) {
            request.next.previous = request.previous;
        } else {
            newest = request.previous;
        }
        request.previous = null;
        request.next = null;
        return obstacle;
    }

    boolean isEmpty() {
        return newest == null;
    }

    int count() {
        int count = 0;
        for (PendingRequest at = newest; at != null; at = at.previous) {
            count++;
        }
        return count;
    }

    /** The number of the request that began last. */
    long lastNumber() {
        return begun;
    }

    boolean hasOneUpTo(long number) {
        for (PendingRequest at = newest; at != null; at = at.previous) {
            if (at.number <= number) {
                return true;
            }
        }
        return false;
    }

    /** Adds those to the list that were not abandoned before. */
    void abandonAll(List<PendingRequest> abandoned) {
        for (PendingRequest at = newest; at != null; at = at.previous) {
            if (at.state == PendingRequest.State.RUNNING) {
                at.state = PendingRequest.State.ABANDONED;
                abandoned.add(at);
            }
        }
    }

    private static boolean isObstacle(PendingRequest request, Layer active) {
        return request.changes
                && (request.layer != active || request.state == PendingRequest.State.ABANDONED);
    }

    /** To be called when another layer is active, or requests were abandoned. */
    void countObstacles(Layer active) {
        obstacles = 0;
        for (PendingRequest at = newest; at != null; at = at.previous) {
            if (isObstacle(at, active)) {
                obstacles++;
            }
        }
    }

    /** Whether a new request has to wait by rule R5. */
    boolean block(PendingRequest request, Layer active) {
        if (obstacles == 0 || !request.changes) {
            return false;
        }
        long groupBytes = active.groupBytes();
        for (PendingRequest at = newest; at != null; at = at.previous) {
            if (isObstacle(at, active) && at.touchesGroupsOf(request, groupBytes)) {
                return true;
            }
        }
        return false;
    }
}
