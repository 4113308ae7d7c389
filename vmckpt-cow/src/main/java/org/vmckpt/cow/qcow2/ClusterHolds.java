package org.vmckpt.cow.qcow2;

import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;

/**
 * Guest clusters that a request is about to change the entries of. Others that want to change the
 * same entry wait; nobody else does. Runs are held in ascending order, and a request holds one run
 * at a time, so requests cannot wait for each other in a circle.
 */
final class ClusterHolds {
    private final ConcurrentHashMap<Long, CountDownLatch> held = new ConcurrentHashMap<>();

    void hold(long first, int count) {
        CountDownLatch mine = new CountDownLatch(1);
        for (long cluster = first; cluster < first + count; cluster++) {
            CountDownLatch other;
            while ((other = held.putIfAbsent(cluster, mine)) != null) {
                awaitWithoutInterrupt(other);
            }
        }
    }

    void release(long first, int count) {
        CountDownLatch mine = null;
        for (long cluster = first; cluster < first + count; cluster++) {
            mine = held.remove(cluster);
        }
        if (mine != null) {
            mine.countDown();
        }
    }

    /** The holder always lets go; an interrupt is kept for whoever asks for it. */
    private static void awaitWithoutInterrupt(CountDownLatch other) {
        boolean interrupted = false;
        while (true) {
            try {
                other.await();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
