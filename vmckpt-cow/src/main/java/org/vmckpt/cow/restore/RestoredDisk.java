package org.vmckpt.cow.restore;

import java.nio.file.Path;

/**
 * One disk of a restored guest.
 *
 * @param device QEMU's name of the drive, as in the checkpoint
 * @param argumentPath the file that the recorded arguments named
 * @param base the checkpointed content, read-only and raw
 * @param overlay what the guest writes to, qcow2 over {@code base}
 */
public record RestoredDisk(String device, String argumentPath, Path base, Path overlay) {}
