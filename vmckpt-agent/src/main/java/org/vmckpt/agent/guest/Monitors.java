package org.vmckpt.agent.guest;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;

/**
 * Which monitors a QEMU listens at. The kernel's list is read rather than the socket tried: QEMU
 * serves one client at a time, and each try would be one.
 */
final class Monitors {
    private static final Path UNIX_SOCKETS = Path.of("/proc/net/unix");

    /**
     * The flag of a socket that accepts connections, and the columns that it and the path are in.
     */
    private static final String LISTENING = "00010000";

    private static final int FLAGS = 3;
    private static final int PATH = 7;

    private Monitors() {}

    /** Paths of all Unix sockets of this network namespace that somebody listens at. */
    static Set<String> listening() {
        Set<String> paths = new TreeSet<>();
        try {
            for (String line : Files.readAllLines(UNIX_SOCKETS)) {
                String[] columns = line.strip().split("\\s+", PATH + 1);
                if (columns.length > PATH && columns[FLAGS].equals(LISTENING)) {
                    paths.add(columns[PATH]);
                }
            }
        } catch (IOException e) {
            // Without /proc nothing is known to run; a checkpoint finds out.
        }
        return paths;
    }
}
