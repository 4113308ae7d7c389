package org.vmckpt.cow.nbd;

import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.vmckpt.cow.volume.Volume;

/**
 * A volume under a name. It has threads of its own: requests that are slow on one volume do not
 * hold up others. Their queue needs no bound, for each connection bounds what it detaches.
 */
public final class Export implements AutoCloseable {
    private static final int THREADS = 32;
    private static final long IDLE_SECONDS = 5;
    private static final int STACK_BYTES = 256 << 10;
    private static final int LEAST_PREFERRED_BYTES = 4 << 10;
    private static final int MOST_PREFERRED_BYTES = 2 << 20;

    private final Volume volume;
    private final boolean readOnly;
    private final ThreadPoolExecutor threads;

    public Export(Volume volume, boolean readOnly) {
        this.volume = volume;
        this.readOnly = readOnly;
        this.threads =
                new ThreadPoolExecutor(
                        THREADS,
                        THREADS,
                        IDLE_SECONDS,
                        TimeUnit.SECONDS,
                        new LinkedBlockingQueue<>(),
                        task -> {
                            Thread thread =
                                    new Thread(null, task, "nbd-io-" + volume.name(), STACK_BYTES);
                            thread.setDaemon(true);
                            return thread;
                        });
        threads.allowCoreThreadTimeOut(true);
    }

    public Volume volume() {
        return volume;
    }

    String name() {
        return volume.name();
    }

    boolean readOnly() {
        return readOnly;
    }

    Executor threads() {
        return threads;
    }

    int preferredBytes() {
        return Math.clamp(volume.groupBytes(), LEAST_PREFERRED_BYTES, MOST_PREFERRED_BYTES);
    }

    int transmissionFlags(boolean structuredReplies) {
        int flags =
                Protocol.FLAG_HAS_FLAGS
                        | Protocol.FLAG_SEND_FLUSH
                        | Protocol.FLAG_SEND_FUA
                        | Protocol.FLAG_CAN_MULTI_CONN;
        flags |=
                readOnly
                        ? Protocol.FLAG_READ_ONLY
                        : Protocol.FLAG_SEND_TRIM | Protocol.FLAG_SEND_WRITE_ZEROES;
        return structuredReplies ? flags | Protocol.FLAG_SEND_DF : flags;
    }

    /** Ends the threads once they have done what they were given. */
    @Override
    public void close() {
        threads.shutdown();
    }
}
