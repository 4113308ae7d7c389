package org.vmckpt.cow.volume;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The requests that are under way in a volume, and which of them may go on. The package's
 * documentation has the states and the rules.
 *
 * <p>Its lock is held for some instructions only, never across I/O or a call of a request. The
 * requests that run are a list of their own links: beginning and ending allocate nothing.
 */
public final class Ledger {
    // All guarded by this.
    private Layer active;
    private @Nullable PendingRequest newest;
    private final Deque<PendingRequest> waiting = new ArrayDeque<>();
    private boolean held;

    /** Changes under way that a new write may have to wait for. */
    private int obstacles;

    /** How many requests have run so far; each has its number. */
    private long begun;

    /** Threads that wait for requests to end. */
    private int watchers;

    Ledger(Layer active) {
        this.active = active;
    }

    /** Enters a request. */
    public synchronized Admission begin(PendingRequest request) {
        if (held) {
            request.state = PendingRequest.State.REFUSED;
            return Admission.REFUSED;
        }
        if (mustWait(request)) {
            request.state = PendingRequest.State.WAITING;
            waiting.add(request);
            return Admission.WAIT;
        }
        run(request);
        return Admission.RUN;
    }

    /** Enters a request unless it would be refused or have to wait; then nothing has happened. */
    public synchronized boolean tryBegin(PendingRequest request) {
        if (held || mustWait(request)) {
            return false;
        }
        run(request);
        return true;
    }

    /**
     * A request that ran is done.
     *
     * @return whether it is to be answered; false if it was abandoned, and so answered before
     */
    public boolean end(PendingRequest request) {
        boolean unanswered;
        List<PendingRequest> resumed;
        synchronized (this) {
            unanswered = request.state == PendingRequest.State.RUNNING;
            boolean obstacle = isObstacle(request);
            unlink(request);
            request.state = PendingRequest.State.ENDED;
            if (obstacle) {
                obstacles--;
            }
            resumed = obstacle && !waiting.isEmpty() ? resumeUnblocked() : List.of();
            if (watchers > 0) {
                notifyAll();
            }
        }
        resumed.forEach(PendingRequest::resume);
        return unanswered;
    }

    /** From now on new requests work on another layer; those that run finish on theirs. */
    synchronized void fork(Layer layer) {
        active = layer;
        countObstacles();
    }

    /**
     * Has every request under way answered with EIO, and every one that comes, until {@link
     * #release}.
     *
     * @return how many were under way
     */
    int hold() {
        List<PendingRequest> bounced = new ArrayList<>();
        synchronized (this) {
            held = true;
            for (PendingRequest at = newest; at != null; at = at.previous) {
                if (at.state == PendingRequest.State.RUNNING) {
                    at.state = PendingRequest.State.ABANDONED;
                    bounced.add(at);
                }
            }
            for (PendingRequest request : waiting) {
                request.state = PendingRequest.State.REFUSED;
                bounced.add(request);
            }
            waiting.clear();
            countObstacles();
        }
        bounced.forEach(PendingRequest::bounce);
        return bounced.size();
    }

    synchronized void release() {
        held = false;
    }

    /** Whether every request is refused just now. */
    public synchronized boolean isHeld() {
        return held;
    }

    synchronized Layer active() {
        return active;
    }

    /** How many requests are under way, the waiting ones included. */
    public synchronized int pending() {
        int count = waiting.size();
        for (PendingRequest at = newest; at != null; at = at.previous) {
            count++;
        }
        return count;
    }

    /** How many requests wait for others by rule R5. */
    public synchronized int waitingCount() {
        return waiting.size();
    }

    synchronized long changesEnded(Layer layer) {
        return layer.changesEnded;
    }

    /** Waits until no request uses a frozen layer. */
    synchronized boolean awaitUnused(Layer layer, long timeoutMillis) throws InterruptedException {
        if (layer == active) {
            throw new IllegalArgumentException("the active layer is never unused");
        }
        long end = System.nanoTime() + timeoutMillis * 1_000_000;
        while (layer.running > 0) {
            long left = (end - System.nanoTime()) / 1_000_000;
            if (left <= 0) {
                return false;
            }
            watchers++;
            try {
                wait(left);
            } finally {
                watchers--;
            }
        }
        return true;
    }

    /** Waits until no request is under way at all. */
    synchronized void awaitIdle() throws InterruptedException {
        while (newest != null) {
            watchers++;
            try {
                wait();
            } finally {
                watchers--;
            }
        }
    }

    /** Waits until all requests have ended that are under way now: they may know old layers. */
    synchronized void awaitThoseOfNow() throws InterruptedException {
        long last = begun;
        while (hasOneUpTo(last)) {
            watchers++;
            try {
                wait();
            } finally {
                watchers--;
            }
        }
    }

    private boolean hasOneUpTo(long number) {
        for (PendingRequest at = newest; at != null; at = at.previous) {
            if (at.number <= number) {
                return true;
            }
        }
        return false;
    }

    private void run(PendingRequest request) {
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

    private void unlink(PendingRequest request) {
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
    }

    private boolean isObstacle(PendingRequest request) {
        return request.changes
                && (request.layer != active || request.state == PendingRequest.State.ABANDONED);
    }

    private void countObstacles() {
        obstacles = 0;
        for (PendingRequest at = newest; at != null; at = at.previous) {
            if (isObstacle(at)) {
                obstacles++;
            }
        }
    }

    private boolean mustWait(PendingRequest request) {
        if (obstacles == 0 || !request.changes) {
            return false;
        }
        long groupBytes = active.groupBytes();
        for (PendingRequest at = newest; at != null; at = at.previous) {
            if (isObstacle(at) && at.touchesGroupsOf(request, groupBytes)) {
                return true;
            }
        }
        return false;
    }

    private List<PendingRequest> resumeUnblocked() {
        List<PendingRequest> resumed = new ArrayList<>();
        for (Iterator<PendingRequest> each = waiting.iterator(); each.hasNext(); ) {
            PendingRequest request = each.next();
            if (!mustWait(request)) {
                each.remove();
                run(request);
                resumed.add(request);
            }
        }
        return resumed;
    }
}
