package org.vmckpt.agent.service;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/** Keeps two agents with one socket apart. The kernel releases it when the process dies. */
final class AgentLock implements AutoCloseable {
    private final FileChannel channel;

    private AgentLock(FileChannel channel) {
        this.channel = channel;
    }

    static AgentLock acquire(Path socket) throws VmckptException {
        Path file = socket.resolveSibling(socket.getFileName() + ".lock");
        try {
            Files.createDirectories(socket.resolveSibling(""));
            FileChannel channel =
                    FileChannel.open(
                            file,
                            Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE),
                            PosixFilePermissions.asFileAttribute(
                                    PosixFilePermissions.fromString("rw-------")));
            if (tryLock(channel)) {
                return new AgentLock(channel);
            }
            channel.close();
        } catch (IOException e) {
            throw new StorageException("lock " + file + ": " + e, e);
        }
        throw new ConflictException(
                "start the agent: another one runs with the socket "
                        + socket
                        + "; stop it first, or give this one another api.socket");
    }

    private static boolean tryLock(FileChannel channel) throws IOException {
        try {
            FileLock lock = channel.tryLock();
            return lock != null;
        } catch (OverlappingFileLockException e) {
            return false;
        }
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            // Nothing was written, and the lock ends with the process.
        }
    }
}
