package org.vmckpt.cow.checkpoint;

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
 */
public record PauseTimes(
        long totalMicros,
        long stopMicros,
        long forkMicros,
        long devicesMicros,
        long armMicros,
        long contMicros) {}
