package org.vmckpt.cow.restore;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedDeque;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.StorageException;

/**
 * What a restore creates on the host. Unless the restore is completed, closing removes all of it,
 * newest first, and so does a signal that ends this process; what existed before stays as it was.
 */
final class Workspace implements AutoCloseable {
    private static final Set<PosixFilePermission> PRIVATE_FOLDER =
            PosixFilePermissions.fromString("rwx------");

    /** How to take back each step, newest first. */
    private final Deque<Runnable> undo = new ConcurrentLinkedDeque<>();

    private final Thread cleaner =
            new Thread(this::undoUnlessCompleted, "remove-half-restored-files");
    private volatile boolean completed;

    Workspace() {
        Runtime.getRuntime().addShutdownHook(cleaner);
    }

    /**
     * Makes a folder that only its owner may enter, and its missing parents. A folder that is there
     * already is closed to others: disks hold all that the guest knew.
     */
    void createFolder(Path folder) throws StorageException {
        try {
            if (Files.exists(folder)) {
                makePrivate(folder);
            }
            Deque<Path> missing = new ArrayDeque<>();
            for (Path p = folder; p != null && !Files.exists(p); p = p.getParent()) {
                missing.push(p);
            }
            for (Path path : missing) {
                Files.createDirectory(path, PosixFilePermissions.asFileAttribute(PRIVATE_FOLDER));
                add(path);
            }
        } catch (IOException e) {
            throw new StorageException(
                    "restore cannot make the folder %s for its owner only: %s"
                            .formatted(folder, e.getMessage()),
                    e);
        }
    }

    private void makePrivate(Path folder) throws IOException {
        Set<PosixFilePermission> before = Files.getPosixFilePermissions(folder);
        if (!PRIVATE_FOLDER.containsAll(before)) {
            undo.push(() -> setPermissionsQuietly(folder, before));
            Files.setPosixFilePermissions(folder, PRIVATE_FOLDER);
        }
    }

    private static void setPermissionsQuietly(Path folder, Set<PosixFilePermission> permissions) {
        try {
            Files.setPosixFilePermissions(folder, permissions);
        } catch (IOException e) {
            // The restore's own error is on its way to the user, and names the folder.
        }
    }

    /** A file that is about to be created, and did not exist. */
    Path add(Path path) {
        undo.push(() -> delete(path));
        return path;
    }

    /** Something that was started, and how it is ended. */
    void onUndo(Runnable end) {
        undo.push(end);
    }

    /** From now on everything stays. */
    void complete() {
        completed = true;
    }

    @Override
    public void close() {
        try {
            Runtime.getRuntime().removeShutdownHook(cleaner);
        } catch (IllegalStateException e) {
            // This process is ending, and the cleaner is at work: two of them do no harm.
        }
        undoUnlessCompleted();
    }

    /** Also run by the shutdown hook, which stays registered for a while after completion. */
    void undoUnlessCompleted() {
        if (!completed) {
            undo.forEach(Runnable::run);
        }
    }

    private static void delete(Path path) {
        try {
            if (Files.isDirectory(path)) {
                deleteTree(path);
            } else {
                Files.deleteIfExists(path);
            }
        } catch (IOException e) {
            // The restore's own error is on its way to the user, and names the folder.
        }
    }

    static void deleteTree(Path folder) throws IOException {
        Files.walkFileTree(
                folder,
                new SimpleFileVisitor<>() {
                    @Override
                    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                            throws IOException {
                        Files.delete(file);
                        return FileVisitResult.CONTINUE;
                    }

                    @Override
                    public FileVisitResult postVisitDirectory(
                            Path visited, @Nullable IOException failure) throws IOException {
                        Files.delete(visited);
                        return FileVisitResult.CONTINUE;
                    }
                });
    }
}
