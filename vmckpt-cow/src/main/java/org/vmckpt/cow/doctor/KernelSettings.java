package org.vmckpt.cow.doctor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** One-line files of /proc and /sys. */
final class KernelSettings {
    static final String UNPRIVILEGED_USERFAULTFD = "/proc/sys/vm/unprivileged_userfaultfd";

    private KernelSettings() {}

    /** The file's text; empty when this kernel has no such setting. */
    static Optional<String> read(String file) {
        return read(Path.of(file));
    }

    static Optional<String> read(Path file) {
        try {
            return Optional.of(Files.readString(file).replace('\0', ' ').strip());
        } catch (IOException absent) {
            return Optional.empty();
        }
    }
}
