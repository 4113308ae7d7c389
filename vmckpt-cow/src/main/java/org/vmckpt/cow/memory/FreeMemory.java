package org.vmckpt.cow.memory;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.vmckpt.core.StorageException;

/** How much memory this host can give without swapping. */
public final class FreeMemory {
    private static final Path MEMORY_INFO = Path.of("/proc/meminfo");

    private FreeMemory() {}

    public static long bytes() throws StorageException {
        try {
            for (String line : Files.readAllLines(MEMORY_INFO)) {
                if (line.startsWith("MemAvailable:")) {
                    return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
                }
            }
            throw new IOException("it has no MemAvailable");
        } catch (IOException e) {
            throw new StorageException("reading " + MEMORY_INFO + ": " + e.getMessage(), e);
        }
    }
}
