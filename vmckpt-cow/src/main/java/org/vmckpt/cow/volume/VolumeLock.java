package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.DurableFiles;
import org.vmckpt.cow.volume.VolumeFolder.Owner;

/** That this process alone changes a volume: its folder's file {@code lock}, which says who. */
final class VolumeLock implements AutoCloseable {
    private static final int MAX_OWNER_BYTES = 4096;

    /**
     * What this process has locked. A lock belongs to a process, and closing any descriptor of the
     * file would end it: so a file that is locked here is not opened again.
     */
    private static final Map<Path, Owner> OURS = new ConcurrentHashMap<>();

    private final Path folder;
    private final FileChannel channel;

    private VolumeLock(Path folder, FileChannel channel) {
        this.folder = folder;
        this.channel = channel;
    }

    /**
     * Locks a volume.
     *
     * @param control where others reach the process that has it, if they can
     * @throws ConflictException naming the process that has it
     */
    static VolumeLock take(Path folder, Optional<Path> control) throws VmckptException {
        Owner owner = new Owner(ProcessHandle.current().pid(), control);
        try {
            Owner other = OURS.putIfAbsent(folder, owner);
            if (other != null) {
                throw inUse(folder, other);
            }
            FileChannel channel = DurableFiles.openOrCreateForLocking(file(folder));
            if (channel.tryLock() == null) {
                channel.close();
                OURS.remove(folder);
                throw inUse(folder, readOwner(folder));
            }
            channel.truncate(0);
            String text = owner.pid() + "\n" + control.map(Path::toString).orElse("");
            channel.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)), 0);
            return new VolumeLock(folder, channel);
        } catch (IOException e) {
            OURS.remove(folder, owner);
            throw new StorageException("locking volume " + folder + ": " + e, e);
        }
    }

    private static ConflictException inUse(Path folder, Owner owner) {
        return new ConflictException(
                "volume "
                        + folder
                        + " is in use by process "
                        + owner.pid()
                        + "; end that one first, or ask it through its control socket");
    }

    private static Path file(Path folder) {
        return folder.resolve("lock");
    }

    /** Who has a volume just now; empty when nobody does. */
    static Optional<Owner> owner(Path folder) throws VmckptException {
        Owner ours = OURS.get(folder);
        if (ours != null) {
            return Optional.of(ours);
        }
        if (!Files.exists(file(folder))) {
            return Optional.empty();
        }
        try (FileChannel channel = DurableFiles.openOrCreateForLocking(file(folder));
                FileLock lock = channel.tryLock()) {
            return lock != null ? Optional.empty() : Optional.of(readOwner(folder));
        } catch (IOException e) {
            throw new StorageException("looking who has volume " + folder + ": " + e, e);
        }
    }

    private static Owner readOwner(Path folder) throws IOException {
        byte[] bytes = DurableFiles.read(file(folder), MAX_OWNER_BYTES);
        String[] lines = new String(bytes, StandardCharsets.UTF_8).split("\n", -1);
        boolean complete = lines.length == 2 && lines[0].matches("[0-9]{1,10}");
        if (!complete) {
            return new Owner(0, Optional.empty());
        }
        return new Owner(
                Long.parseLong(lines[0]),
                lines[1].isEmpty() ? Optional.empty() : Optional.of(Path.of(lines[1])));
    }

    @Override
    public void close() throws IOException {
        channel.close();
        OURS.remove(folder);
    }
}
