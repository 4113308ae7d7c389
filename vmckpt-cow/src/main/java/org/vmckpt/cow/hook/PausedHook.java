package org.vmckpt.cow.hook;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.vmckpt.core.RefusedException;

/** Somebody who is told that the guest stands still, and was made ready before. */
interface PausedHook {
    /** What an executable prints when it waits for the pause. */
    String READY = "ready";

    /** What it is then told, on a line of its input. */
    String PAUSED = "paused";

    /** What it prints when the guest may go on; its end says so too. */
    String DONE = "done";

    String name();

    /** Done when it can be signalled; false when it never will be. */
    CompletableFuture<Boolean> ready();

    /** The guest stands still. Takes microseconds. */
    void signal();

    /** Done when the guest may go on. */
    CompletableFuture<?> done();

    /** The guest goes on: waits for the end, which holds nobody up any more. */
    void finish(Duration limit) throws RefusedException;

    /** Ends it, whatever it does. */
    void kill();
}
