package org.vmckpt.cow.linux;

import org.jspecify.annotations.Nullable;

/** Carries the result of work done on another thread, or its failure. */
final class Outcome<T> {
    interface Work<T> {
        T run() throws ErrnoException;
    }

    private @Nullable T value;
    private @Nullable ErrnoException failure;
    private @Nullable Throwable bug;

    void of(Work<T> work) {
        try {
            value = work.run();
        } catch (ErrnoException thrown) {
            failure = thrown;
        } catch (Throwable thrown) {
            bug = thrown;
        }
    }

    /** Waits for the thread's end; an interrupt is kept for later, the work is short. */
    void join(Thread thread) {
        boolean interrupted = false;
        while (true) {
            try {
                thread.join();
                break;
            } catch (InterruptedException interrupt) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    T get() throws ErrnoException {
        if (failure != null) {
            throw failure;
        }
        if (value == null) {
            throw new IllegalStateException("The work on another thread ended early", bug);
        }
        return value;
    }
}
