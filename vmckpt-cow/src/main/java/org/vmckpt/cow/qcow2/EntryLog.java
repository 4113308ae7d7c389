package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.vmckpt.cow.block.StorageFile;

/**
 * Which entries changed since the last flush, in a file that is never synced. If this process is
 * killed the host still has the file, and with it the next one restores what was written and not
 * flushed. After a crash of the host it is worth nothing: entries may have reached it whose data
 * did not reach the disk. So it says in which life of the host it was written.
 *
 * <p>Records are appended and never overwritten, each with a check of its own. What a flush has
 * made durable is skipped by a number in the header, and its room given back.
 */
public final class EntryLog {
    /** The size of a log in which nothing was ever entered; a longer one had entries. */
    public static final int HEADER_BYTES = 4096;

    private static final long MAGIC = 0x766d636b716c6f67L;
    private static final int START_AT = 8;
    private static final int IDENTITY_BYTES_AT = 16;
    private static final int IDENTITY_AT = 20;
    private static final int RECORD_BYTES = 32;
    private static final Path BOOT_ID = Path.of("/proc/sys/kernel/random/boot_id");

    private final StorageFile file;
    private final byte[] identity;
    private final AtomicLong next = new AtomicLong(HEADER_BYTES);
    private long start = HEADER_BYTES;
    private volatile boolean full;

    /**
     * A log for one image.
     *
     * @param file empty, or what an earlier process left; on tmpfs it costs least
     * @param identity says which image in which life of the host, see {@link #identityOf}
     */
    public EntryLog(StorageFile file, String identity) {
        this.file = file;
        this.identity = identity.getBytes(StandardCharsets.UTF_8);
        if (this.identity.length > HEADER_BYTES - IDENTITY_AT) {
            throw new IllegalArgumentException("identity " + identity);
        }
    }

    /** Differs for another file in the same place, and after a restart of the host. */
    public static String identityOf(Path image) throws IOException {
        return Files.readString(BOOT_ID).strip()
                + ' '
                + Files.getAttribute(image, "unix:dev")
                + ' '
                + Files.getAttribute(image, "unix:ino");
    }

    /** The entries that an earlier process changed last; empty if the log is not of this image. */
    Map<Long, Long> read() throws IOException {
        Map<Long, Long> entries = new LinkedHashMap<>();
        ByteBuffer header = ByteBuffer.allocate(HEADER_BYTES);
        file.read(header, 0);
        if (!isOurs(header.clear())) {
            return entries;
        }
        long end = file.size();
        start = header.getLong(START_AT);
        next.set(Math.max(start, Math.ceilDiv(end, RECORD_BYTES) * RECORD_BYTES));
        ByteBuffer records = ByteBuffer.allocate(RECORD_BYTES << 10);
        for (long at = start; at < end; at += records.capacity()) {
            file.read(records.clear(), at);
            for (records.flip(); records.remaining() >= RECORD_BYTES; ) {
                long cluster = records.getLong();
                long entry = records.getLong();
                if (records.getLong() == checkOf(cluster, entry) && cluster >= 0) {
                    entries.put(cluster, entry);
                }
                records.getLong();
            }
        }
        return entries;
    }

    private boolean isOurs(ByteBuffer header) {
        byte[] found = new byte[identity.length];
        header.get(IDENTITY_AT, found);
        return header.getLong(0) == MAGIC
                && header.getLong(START_AT) >= HEADER_BYTES
                && header.getLong(START_AT) % RECORD_BYTES == 0
                && header.getInt(IDENTITY_BYTES_AT) == identity.length
                && Arrays.equals(found, identity);
    }

    /** Empties it; what it held is in the image. */
    void begin() throws IOException {
        file.resize(0);
        start = HEADER_BYTES;
        next.set(HEADER_BYTES);
        ByteBuffer header = ByteBuffer.allocate(HEADER_BYTES);
        header.putLong(MAGIC).putLong(start).putInt(identity.length).put(identity);
        file.write(header.clear(), 0);
    }

    /** To be called after the entry was changed in memory, before anybody is told of it. */
    void append(long cluster, long entry) {
        ByteBuffer record = ByteBuffer.allocate(RECORD_BYTES);
        record.putLong(cluster).putLong(entry).putLong(checkOf(cluster, entry)).clear();
        try {
            file.write(record, next.getAndAdd(RECORD_BYTES));
        } catch (IOException e) {
            // A flush does what the log cannot.
            full = true;
        }
    }

    /** Whether something was changed that is not in the log: a flush must come before an answer. */
    boolean isFull() {
        return full;
    }

    /** Taken before a flush copies anything: what is logged before it is then durable. */
    long mark() {
        full = false;
        return next.get();
    }

    /** Everything before the mark is durable. */
    void confirm(long mark) throws IOException {
        if (mark > start) {
            file.write(ByteBuffer.allocate(Long.BYTES).putLong(mark).flip(), START_AT);
            file.zero(start, mark - start);
            start = mark;
        }
    }

    private static long checkOf(long cluster, long entry) {
        long mixed = (cluster + 0x9e3779b97f4a7c15L) * 0xbf58476d1ce4e5b9L;
        mixed ^= mixed >>> 29;
        mixed = (mixed + entry) * 0x94d049bb133111ebL;
        return mixed ^ (mixed >>> 31);
    }
}
