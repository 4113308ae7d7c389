package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.stream.Stream;

/** A temporary folder that goes when it is closed, and also when this JVM is ended from outside. */
final class BenchFolder implements AutoCloseable {
    /** A contender that is cut off may still make a file while its folder is being deleted. */
    private static final int ATTEMPTS = 5;

    private final Path path;
    private final Thread atExit = new Thread(this::deleteAtExit, "bench-folder-exit");

    private BenchFolder(Path path) {
        this.path = path;
    }

    static BenchFolder create() throws IOException {
        BenchFolder folder = new BenchFolder(Files.createTempDirectory("vmckpt-bench"));
        Runtime.getRuntime().addShutdownHook(folder.atExit);
        return folder;
    }

    Path path() {
        return path;
    }

    @Override
    public void close() throws IOException {
        try {
            Runtime.getRuntime().removeShutdownHook(atExit);
        } catch (IllegalStateException e) {
            return; // this JVM ends: the hook does it
        }
        delete();
    }

    private void deleteAtExit() {
        for (int attempt = 1; attempt <= ATTEMPTS && Files.exists(path); attempt++) {
            try {
                delete();
            } catch (IOException e) {
                if (attempt == ATTEMPTS) {
                    System.err.println("cannot delete " + path + ": " + e);
                }
            }
        }
    }

    private void delete() throws IOException {
        try (Stream<Path> files = Files.walk(path)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        }
    }
}
