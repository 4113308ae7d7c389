package org.vmckpt.cow.checkpoint;

import java.time.Instant;
import java.util.Optional;

/**
 * Where a pause went, in microseconds. Arming runs beside fork and devices, so the parts may add up
 * to more than the whole.
 *
 * @param totalMicros from QEMU's STOP event to its RESUME event; 0 if the guest was stopped already
 * @param stopMicros until the vCPUs stood and pending disk requests were done
 * @param forkMicros until all disks had their overlay
 * @param devicesMicros until QEMU had written the device state
 * @param armMicros until all memory was protected
 * @param contMicros until QEMU had answered {@code cont}
 * @param stoppedAt when QEMU said STOP; empty if the guest was stopped already
 */
public record PauseTimes(
        long totalMicros,
        long stopMicros,
        long forkMicros,
        long devicesMicros,
        long armMicros,
        long contMicros,
        Optional<Instant> stoppedAt) {}
