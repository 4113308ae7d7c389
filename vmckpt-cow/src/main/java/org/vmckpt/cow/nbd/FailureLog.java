package org.vmckpt.cow.nbd;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.cow.volume.Volume;

/** Tells the operator why requests fail, once a second at most: a full disk fails thousands. */
final class FailureLog {
    private static final Logger LOG = LoggerFactory.getLogger(FailureLog.class);
    private static final long QUIET_NANOS = 1_000_000_000;
    private static final AtomicLong NEXT = new AtomicLong(System.nanoTime());

    private FailureLog() {}

    static void failed(Volume volume, NbdRequest request, IOException failure) {
        long now = System.nanoTime();
        long next = NEXT.get();
        if (now - next >= 0 && NEXT.compareAndSet(next, now + QUIET_NANOS)) {
            LOG.warn("volume {}: {} failed: {}", volume.name(), request, failure.toString());
        }
    }

    static void broken(Volume volume, NbdRequest request, RuntimeException bug) {
        LOG.error("volume {}: {} failed, which is a bug", volume.name(), request, bug);
    }
}
