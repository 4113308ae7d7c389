package org.vmckpt.cow.restore;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * The restored guest.
 *
 * @param pid of the new QEMU, which outlives this process
 * @param diskServer who serves the disks, if they are served
 * @param logPath what QEMU prints
 * @param running whether the guest runs; false when it was left paused
 */
public record RestoreReport(
        long pid,
        Path qmpPath,
        List<RestoredDisk> disks,
        Optional<DiskServer> diskServer,
        Path logPath,
        boolean running,
        Timings timings) {

    public RestoreReport {
        disks = List.copyOf(disks);
    }

    RestoreReport withRunning() {
        return new RestoreReport(pid, qmpPath, disks, diskServer, logPath, true, timings);
    }

    /**
     * How long each part took.
     *
     * @param disksMillis making the disks
     * @param startMillis from starting QEMU until it answers
     * @param memoryMillis filling guest memory
     * @param memoryBytes written to guest memory; zero pages are not
     * @param devicesMillis loading the device state
     * @param totalMillis from the request to the end
     */
    public record Timings(
            long disksMillis,
            long startMillis,
            long memoryMillis,
            long memoryBytes,
            long devicesMillis,
            long totalMillis) {}
}
