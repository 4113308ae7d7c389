package org.vmckpt.cow.restore;

import java.nio.file.Path;
import java.util.Optional;

/**
 * One disk of a restored guest.
 *
 * @param device QEMU's name of the drive, as in the checkpoint
 * @param argumentPath the file that the recorded arguments named
 * @param base the checkpointed content, read-only and raw
 * @param overlay what the guest writes to, on {@code base}: a qcow2 file, or a volume's folder
 * @param socket where vmckpt serves the volume, by its folder's name; empty if it is a file
 */
public record RestoredDisk(
        String device, String argumentPath, Path base, Path overlay, Optional<Path> socket) {

    /** The volume's name. */
    String export() {
        return String.valueOf(overlay.getFileName());
    }
}
