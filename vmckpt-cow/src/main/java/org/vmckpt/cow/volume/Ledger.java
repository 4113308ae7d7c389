package org.vmckpt.cow.volume;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;

/**
 * The requests that are under way in a volume, and which of them may go on. The package's
 * documentation has the states and the rules.
 *
 * <p>Its lock is held for some instructions only, never across I/O or a call of a request.
 */
public final class Ledger {
    // All guarded by this.
    private Layer active;
    private final RunningRequests running = new RunningRequests();
    private final Deque<PendingRequest> waiting = new ArrayDeque<>();
    private boolean held;

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
        if (running.block(request, active)) {
            request.state = PendingRequest.State.WAITING;
            waiting.add(request);
            return Admission.WAIT;
        }
        running.add(request, active);
        return Admission.RUN;
    }

    /** Enters a request unless it would be refused or have to wait; then nothing has happened. */
    public synchronized boolean tryBegin(PendingRequest request) {
        if (held || running.block(request, active)) {
            return false;
        }
        running.add(request, active);
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
            boolean obstacle = running.remove(request, active);
            request.state = PendingRequest.State.ENDED;
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
        running.countObstacles(active);
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
            running.abandonAll(bounced);
            for (PendingRequest request : waiting) {
                request.state = PendingRequest.State.REFUSED;
                bounced.add(request);
            }
            waiting.clear();
            running.countObstacles(active);
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
        return waiting.size() + running.count();
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
        while (!running.isEmpty()) {
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
        long last = running.lastNumber();
        while (running.hasOneUpTo(last)) {
            watchers++;
            try {
                wait();
            } finally {
                watchers--;
            }
        }
    }

    private List<PendingRequest> resumeUnblocked() {
        List<PendingRequest> resumed = new ArrayList<>();
        for (Iterator<PendingRequest> each = waiting.iterator(); each.hasNext(); ) {
            PendingRequest request = each.next();
            if (!running.block(request, active)) {
                each.remove();
                running.add(request, active);
                resumed.add(request);
            }
        }
        return resumed;
    }
}
