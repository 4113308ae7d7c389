package org.vmckpt.cow.definition;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.vmckpt.core.StorageException;

/** The features that this host's CPU has, as the kernel names them. */
public final class HostCpu {
    private static final Path CPUINFO = Path.of("/proc/cpuinfo");

    private HostCpu() {}

    /** Sorted; on x86 the line {@code flags}, on Arm {@code Features}. */
    public static List<String> flags() throws StorageException {
        try {
            return parse(Files.readString(CPUINFO));
        } catch (IOException e) {
            throw new StorageException("cannot read the CPU's features from " + CPUINFO, e);
        }
    }

    static List<String> parse(String cpuinfo) {
        return cpuinfo.lines()
                .filter(line -> line.startsWith("flags") || line.startsWith("Features"))
                .limit(1)
                .map(line -> line.substring(line.indexOf(':') + 1).strip())
                .flatMap(line -> Arrays.stream(line.split("\\s+")))
                .filter(flag -> !flag.isEmpty())
                .sorted()
                .toList();
    }
}
