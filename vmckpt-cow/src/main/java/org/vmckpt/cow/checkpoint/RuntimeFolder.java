package org.vmckpt.cow.checkpoint;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Where locks and sockets live: {@code /run/vmckpt}, or a folder of the user who may not. */
public final class RuntimeFolder {
    private static final Pattern TEMPORARY = Pattern.compile("(?:device|libvirt)-(\\d+)-\\d+");

    /** The guard of a killed process goes on to use what that one made, for less than this. */
    private static final Duration IN_USE = Duration.ofMinutes(10);

    // Counted, not random: a guest stands still while QEMU reads the name byte by byte.
    private static final AtomicInteger LAST = new AtomicInteger();

    private RuntimeFolder() {}

    public static Path path() {
        Path run = Path.of("/run");
        return Files.isWritable(run)
                ? run.resolve("vmckpt")
                : Path.of(System.getProperty("java.io.tmpdir"))
                        .resolve("vmckpt-" + System.getProperty("user.name"));
    }

    /**
     * Makes a folder for the sockets and files of one guest, which is ours to remove again. Those
     * of processes that were killed are removed first: they are in memory as a rule.
     *
     * @param kind device or libvirt
     */
    static Path makeTemporary(String kind) throws IOException {
        Path parent = Files.createDirectories(path());
        Files.setPosixFilePermissions(parent, PosixFilePermissions.fromString("rwx--x--x"));
        removeLeft(parent, Instant.now());
        String prefix = kind + "-" + ProcessHandle.current().pid() + "-";
        while (true) {
            try {
                return Files.createDirectory(
                        parent.resolve(prefix + LAST.incrementAndGet()),
                        PosixFilePermissions.asFileAttribute(
                                PosixFilePermissions.fromString("rwx------")));
            } catch (FileAlreadyExistsException e) {
                // Left by a process that had our pid.
            }
        }
    }

    static void removeLeft(Path parent, Instant now) throws IOException {
        try (DirectoryStream<Path> folders = Files.newDirectoryStream(parent)) {
            for (Path folder : folders) {
                if (isLeft(folder, now)) {
                    remove(folder);
                }
            }
        }
    }

    private static boolean isLeft(Path folder, Instant now) {
        Matcher name = TEMPORARY.matcher(folder.getFileName().toString());
        if (!name.matches() || ProcessHandle.of(Long.parseLong(name.group(1))).isPresent()) {
            return false;
        }
        try {
            Instant changed = Files.getLastModifiedTime(folder).toInstant();
            return changed.isBefore(now.minus(IN_USE));
        } catch (IOException e) {
            return false; // another process was quicker
        }
    }

    private static void remove(Path folder) {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
            for (Path file : files) {
                Files.deleteIfExists(file);
            }
            Files.deleteIfExists(folder);
        } catch (IOException e) {
            // Another process removes it too, or the next one does.
        }
    }
}
