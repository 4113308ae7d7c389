package org.vmckpt.cow.checkpoint;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;

/**
 * Work that a second thread does in the pause. The thread is there before: to start one took 1 to 6
 * ms on a busy host.
 */
final class Beside implements AutoCloseable {
    /** What is done beside. */
    interface Work {
        void run() throws VmckptException;
    }

    private final String what;
    private final CompletableFuture<Boolean> begun = new CompletableFuture<>();
    private final CompletableFuture<Long> ended = new CompletableFuture<>();

    private Beside(String what) {
        this.what = what;
    }

    /**
     * Starts a thread that waits for {@link #begin}.
     *
     * @param what for errors: what the work is to do, for example "memory was protected"
     */
    static Beside prepare(String thread, String what, Work work) {
        Beside beside = new Beside(what);
        Thread.ofPlatform().name(thread).start(() -> beside.run(work));
        return beside;
    }

    private void run(Work work) {
        try {
            if (begun.join()) {
                work.run();
            }
            ended.complete(System.nanoTime());
        } catch (Throwable e) {
            // Also for want of memory: the guest stands still until this is known.
            ended.completeExceptionally(e);
        }
    }

    void begin() {
        begun.complete(true);
    }

    /**
     * Waits for the end of what was begun.
     *
     * @return when that was, by the clock of {@link System#nanoTime}
     */
    long awaitEnd(Duration limit) throws VmckptException {
        try {
            return ended.get(limit.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof VmckptException known) {
                throw known;
            }
            throw new IllegalStateException(e);
        } catch (TimeoutException e) {
            throw new TransportException(
                    "checkpoint: not within " + limit.toMillis() + " ms: " + what, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new RefusedException(
                    "checkpoint: interrupted in the pause; the guest runs on", e);
        }
    }

    /** Waits until nothing is done any more, however it ends. */
    void settle() {
        begun.complete(false);
        ended.handle((end, failure) -> true).join();
    }

    @Override
    public void close() {
        settle();
    }
}
