package org.vmckpt.cow.memory;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * One line of {@code /proc/PID/maps} (proc(5)): a range of a process's address space.
 *
 * @param permissions four letters, for example {@code rw-s}; the last is s for shared
 * @param device the file's device as two hexadecimal numbers, {@code 00:00} without a file
 * @param path the file's name, which may be empty or end in {@code (deleted)}
 */
record ProcessMapping(
        long start,
        long end,
        String permissions,
        long fileOffset,
        String device,
        long inode,
        String path) {
    private static final int FIELDS = 6;

    static List<ProcessMapping> of(long pid) throws IOException {
        List<ProcessMapping> mappings = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of("/proc", Long.toString(pid), "maps"))) {
            mappings.add(parse(line));
        }
        return mappings;
    }

    static ProcessMapping parse(String line) {
        String[] fields = line.split(" +", FIELDS);
        int dash = fields[0].indexOf('-');
        return new ProcessMapping(
                Long.parseUnsignedLong(fields[0].substring(0, dash), 16),
                Long.parseUnsignedLong(fields[0].substring(dash + 1), 16),
                fields[1],
                Long.parseUnsignedLong(fields[2], 16),
                fields[3],
                Long.parseLong(fields[4]),
                fields.length == FIELDS ? fields[5] : "");
    }

    boolean contains(long address) {
        return Long.compareUnsigned(address, start) >= 0 && Long.compareUnsigned(address, end) < 0;
    }

    boolean isShared() {
        return permissions.endsWith("s");
    }

    boolean isWritable() {
        return permissions.charAt(1) == 'w';
    }

    boolean hasSameFileAs(ProcessMapping other) {
        return inode == other.inode && inode != 0 && device.equals(other.device);
    }

    /** Whether {@code next} goes on where this one ends, in memory as in the file. */
    boolean isContinuedBy(ProcessMapping next) {
        return hasSameFileAs(next)
                && end == next.start
                && fileOffset + (end - start) == next.fileOffset;
    }

    /** The entry of {@code /proc/PID/map_files} that opens the mapped file. */
    Path mapFile(long pid) {
        return Path.of("/proc/" + pid + "/map_files/%x-%x".formatted(start, end));
    }
}
