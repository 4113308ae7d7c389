package org.vmckpt.cow.memory;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
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
    private static final int NONE = -1;
    private static final int WRITE = 1;
    private static final int SHARE = 3;

    static List<ProcessMapping> of(long pid) throws IOException {
        List<ProcessMapping> mappings = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of("/proc", Long.toString(pid), "maps"))) {
            mappings.add(parse(line));
        }
        return mappings;
    }

    /**
     * Only those that are shared and writable. The other lines are not even made into text: a host
     * has ten thousands of them, and they are looked at for every checkpoint.
     *
     * @param buffer room for at least two lines, to be used again for the next process
     */
    static List<ProcessMapping> sharedWritable(long pid, byte[] buffer) throws IOException {
        List<ProcessMapping> mappings = new ArrayList<>();
        try (InputStream maps = new FileInputStream("/proc/" + pid + "/maps")) {
            int filled = 0;
            int read = maps.read(buffer);
            while (read > 0) {
                filled += read;
                int rest = addSharedWritable(buffer, filled, mappings);
                filled -= rest;
                System.arraycopy(buffer, rest, buffer, 0, filled);
                read = maps.read(buffer, filled, buffer.length - filled);
            }
        }
        return mappings;
    }

    /** Returns where the first line starts that is not complete. */
    private static int addSharedWritable(byte[] text, int length, List<ProcessMapping> mappings) {
        int line = 0;
        int permissions = NONE;
        for (int i = 0; i < length; i++) {
            if (text[i] == ' ' && permissions == NONE) {
                permissions = i + 1;
            } else if (text[i] == '\n') {
                if (text[permissions + WRITE] == 'w' && text[permissions + SHARE] == 's') {
                    mappings.add(parse(new String(text, line, i - line, UTF_8)));
                }
                line = i + 1;
                permissions = NONE;
            }
        }
        return line;
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

    boolean isReadable() {
        return permissions.charAt(0) == 'r';
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
