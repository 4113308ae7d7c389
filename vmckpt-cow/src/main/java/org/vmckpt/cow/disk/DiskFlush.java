package org.vmckpt.cow.disk;

import java.time.Duration;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/** Makes QEMU flush one disk, and says when that takes too long. */
final class DiskFlush {
    private DiskFlush() {}

    /**
     * By its node, which every disk has: a device may have no name, or one that is no drive's.
     *
     * @throws RefusedException if it took longer than {@code limit}
     */
    static void run(QmpClient qmp, String disk, String node, Duration limit)
            throws VmckptException {
        long start = System.nanoTime();
        requireNoComplaint(qmp.humanMonitor("qemu-io " + node + " flush"), disk);
        requireInTime(Duration.ofNanos(System.nanoTime() - start), limit, disk);
    }

    private static void requireInTime(Duration took, Duration limit, String disk)
            throws RefusedException {
        if (took.compareTo(limit) > 0) {
            throw new RefusedException(
                    "checkpoint: flushing disk "
                            + disk
                            + " took "
                            + took.toMillis()
                            + " ms, longer than the drain limit of "
                            + limit.toMillis()
                            + " ms, and in the pause the guest would stand still that long; it was"
                            + " not paused; wait until the disk is faster, or raise"
                            + " --drain-timeout");
        }
    }

    private static void requireNoComplaint(String answer, String device) throws ProtocolException {
        if (!answer.isBlank()) {
            throw new ProtocolException(
                    "flushing disk " + device + ": expected silence, QEMU said: " + answer.strip());
        }
    }
}
