package org.vmckpt.cow.guard;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/**
 * The sysctl vm.unprivileged_userfaultfd, set to 1 while somebody holds this. A QEMU that runs as a
 * user of its own, as those of libvirt do, may open a userfaultfd only then.
 *
 * <p>A file says that it was changed, before it is. Whoever finds that note and holds its lock
 * knows that the process that changed it is dead, and sets it back: the guard of that process at
 * once, else the next who needs it. Processes take turns; within one, holders share.
 */
public final class UserfaultfdSetting implements AutoCloseable {
    private static final Path SETTING = Path.of("/proc/sys/vm/unprivileged_userfaultfd");
    private static final Path NOTE = Path.of("/run/vmckpt/userfaultfd.lock");
    private static final byte CHANGED = '1';

    /** Guarded by the class: how many hold it in this process, and its note if that changed it. */
    private static int holders;

    private static @Nullable FileChannel note;

    private boolean closed;

    private UserfaultfdSetting() {}

    /** Whether an unprivileged process may open a userfaultfd as things are. */
    public static boolean allowsAll() {
        try {
            return !Files.readString(SETTING).strip().equals("0");
        } catch (IOException e) {
            return true; // a kernel that does not have it
        }
    }

    /** Whether this process may change it. */
    public static boolean isOurs() {
        return Files.isWritable(SETTING);
    }

    /**
     * Holds it at 1 until closed.
     *
     * @throws IOException when this process may not change it
     */
    public static UserfaultfdSetting allow() throws IOException {
        synchronized (UserfaultfdSetting.class) {
            if (holders == 0) {
                change();
            }
            holders++;
            return new UserfaultfdSetting();
        }
    }

    private static void change() throws IOException {
        FileChannel channel = openNote();
        try {
            // Released with the channel, or with this process.
            FileLock _ = channel.lock();
            boolean left = isChanged(channel);
            if (left || !allowsAll()) {
                channel.write(ByteBuffer.wrap(new byte[] {CHANGED}), 0);
                set("1");
                note = channel;
            }
        } finally {
            if (note == null) {
                channel.close();
            }
        }
    }

    /** Sets back what a process changed that is dead. */
    static void restoreLeft() throws IOException {
        if (!Files.exists(NOTE)) {
            return;
        }
        try (FileChannel channel = openNote();
                FileLock lock = channel.tryLock()) {
            if (lock != null && isChanged(channel)) {
                set("0");
                channel.truncate(0);
            }
        }
    }

    private static FileChannel openNote() throws IOException {
        Files.createDirectories(NOTE.resolveSibling(""));
        return FileChannel.open(
                NOTE, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
    }

    private static boolean isChanged(FileChannel channel) throws IOException {
        return channel.size() > 0;
    }

    private static void set(String value) throws IOException {
        Files.write(SETTING, value.getBytes(StandardCharsets.US_ASCII), StandardOpenOption.WRITE);
    }

    @Override
    public void close() {
        synchronized (UserfaultfdSetting.class) {
            if (closed) {
                return;
            }
            closed = true;
            holders--;
            FileChannel open = note;
            if (holders == 0 && open != null) {
                note = null;
                try (open) {
                    set("0");
                    open.truncate(0);
                } catch (IOException e) {
                    // The note stays: whoever holds it next sets it back.
                }
            }
        }
    }
}
