package org.vmckpt.cow.checkpoint;

import java.nio.file.Path;
import java.util.Optional;

/**
 * A wish that the guest itself holds its file systems still around the fork of its disks, so that
 * they need no repair.
 *
 * @param agentSocket QEMU's end of the guest agent's channel; empty to ask QEMU for it
 */
public record Quiesce(Optional<Path> agentSocket) {}
