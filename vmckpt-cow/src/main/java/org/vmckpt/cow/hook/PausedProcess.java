package org.vmckpt.cow.hook;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.vmckpt.core.RefusedException;

/** An executable that waits for the pause. */
record PausedProcess(HookProcess process) implements PausedHook {
    @Override
    public String name() {
        return "hook " + process.file();
    }

    @Override
    public CompletableFuture<Boolean> ready() {
        return process.output().ready();
    }

    @Override
    public void signal() {
        process.tell(PAUSED);
    }

    @Override
    public CompletableFuture<?> done() {
        return process.output().done();
    }

    @Override
    public void finish(Duration limit) throws RefusedException {
        process.endInput();
        process.await(limit, () -> false);
    }

    @Override
    public void kill() {
        process.kill();
    }
}
