package org.vmckpt.cli;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.vmckpt.cow.checkpoint.Cancellation;

/**
 * On Ctrl-C or SIGTERM: asks the checkpoint to end, and keeps the process until it was taken back.
 */
final class SignalCancellation implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofMinutes(5);

    private final Cancellation cancellation = new Cancellation();
    private final CountDownLatch ended = new CountDownLatch(1);
    private final Thread hook = new Thread(this::onSignal, "vmckpt-signal");

    private volatile boolean done;
    private volatile Runnable alsoAsk = () -> {};

    private SignalCancellation() {}

    static SignalCancellation install() {
        SignalCancellation signals = new SignalCancellation();
        Runtime.getRuntime().addShutdownHook(signals.hook);
        return signals;
    }

    Cancellation cancellation() {
        return cancellation;
    }

    /**
     * Says that all was done before the end: a process that a signal ends then exits with 0. Else
     * it exits with 128 and the signal's number, as is the custom.
     */
    void done() {
        done = true;
    }

    /** Has somebody else asked too: a checkpoint that is taken elsewhere. */
    void onSignal(Runnable other) {
        alsoAsk = other;
        if (cancellation.isRequested()) {
            other.run();
        }
    }

    private void onSignal() {
        cancellation.cancel();
        alsoAsk.run();
        try {
            if (!ended.await(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
                System.err.println(
                        "vmckpt: the checkpoint did not end in time; the next one cleans up after"
                                + " it");
            }
            if (done) {
                Runtime.getRuntime().halt(ExitCode.OK.number());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() {
        ended.countDown();
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // The signal came: the hook runs already.
        }
    }
}
