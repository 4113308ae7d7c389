package org.vmckpt.core.qmp;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;

/** Waits for the first event that matches; made before the command that causes the event. */
public final class EventWaiter implements AutoCloseable {
    private final String wanted;
    private final CompletableFuture<QmpEvent> first;
    private final Runnable unsubscribe;

    EventWaiter(String wanted, CompletableFuture<QmpEvent> first, Runnable unsubscribe) {
        this.wanted = wanted;
        this.first = first;
        this.unsubscribe = unsubscribe;
    }

    /**
     * Whether it has come. An event that QEMU sent before the answer to a command has come when
     * that command returns.
     */
    public boolean happened() {
        return first.isDone() && !first.isCompletedExceptionally();
    }

    /** Whether it has come, or comes in this time. */
    public boolean happensWithin(Duration limit) throws VmckptException {
        try {
            first.get(limit.toNanos(), TimeUnit.NANOSECONDS);
            return true;
        } catch (TimeoutException e) {
            return false;
        } catch (ExecutionException e) {
            throw new TransportException("waiting for QEMU's " + wanted + ": " + e.getMessage(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TransportException("waiting for QEMU's " + wanted + ": interrupted", e);
        }
    }

    /** The event, which may have come before this call. */
    public QmpEvent await(Duration timeout) throws VmckptException {
        if (!happensWithin(timeout)) {
            throw new TransportException(
                    "waiting for QEMU's "
                            + wanted
                            + ": nothing came within "
                            + timeout.toMillis()
                            + " ms");
        }
        return first.join();
    }

    @Override
    public void close() {
        unsubscribe.run();
    }
}
