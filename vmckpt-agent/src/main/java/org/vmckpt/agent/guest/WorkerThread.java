package org.vmckpt.agent.guest;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * The one thread of a guest, which is there only while it has something to do: there may be
 * hundreds of guests, most of them shut off. A platform thread: attaching traces QEMU, and niceness
 * is a thread's own.
 */
final class WorkerThread {
    private static final long IDLE_SECONDS = 10;

    private WorkerThread() {}

    static ExecutorService of(String guest) {
        ThreadPoolExecutor executor =
                new ThreadPoolExecutor(
                        1,
                        1,
                        IDLE_SECONDS,
                        TimeUnit.SECONDS,
                        new LinkedBlockingQueue<>(),
                        Thread.ofPlatform().name("guest-" + guest).daemon().factory());
        executor.allowCoreThreadTimeOut(true);
        return executor;
    }
}
