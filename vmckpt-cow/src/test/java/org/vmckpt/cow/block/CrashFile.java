package org.vmckpt.cow.block;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * A file in memory as a host keeps it: what was written since the last sync may survive a crash or
 * not, each sector for itself, in any combination.
 */
public final class CrashFile implements StorageFile {
    private static final int SECTOR_BYTES = 512;

    /** One change that is not durable: bytes at an offset, or a new size if there are none. */
    private static final class Change {
        private final long offset;
        private final byte[] bytes;

        Change(long offset, byte[] bytes) {
            this.offset = offset;
            this.bytes = bytes;
        }

        boolean isResize() {
            return bytes.length == 0;
        }
    }

    /** A file that grows when written to. */
    private static final class Content {
        private byte[] bytes = new byte[0];
        private int size;

        private void resize(int newSize) {
            if (newSize > bytes.length) {
                bytes = Arrays.copyOf(bytes, Math.max(newSize, bytes.length * 2));
            } else if (newSize < size) {
                Arrays.fill(bytes, newSize, size, (byte) 0);
            }
            size = newSize;
        }

        private void put(int offset, byte[] from, int start, int count) {
            if (offset + count > size) {
                resize(offset + count);
            }
            System.arraycopy(from, start, bytes, offset, count);
        }
    }

    private final Content now = new Content();
    private final Content durable = new Content();
    private final List<Change> changes = new ArrayList<>();
    private int changesLeft = Integer.MAX_VALUE;
    private int writesToRefuse;

    public CrashFile(byte[] content) {
        now.put(0, content, 0, content.length);
        durable.put(0, content, 0, content.length);
    }

    /** After some more changes and syncs every other one fails, and does nothing. */
    public synchronized void dieAfter(int count) {
        changesLeft = count;
    }

    /** There is no room for the next writes, and then there is again. */
    public synchronized void refuseWrites(int count) {
        writesToRefuse = count;
    }

    public static final class FullException extends IOException {
        private static final long serialVersionUID = 1L;

        FullException() {
            super("no room");
        }
    }

    public synchronized boolean isDead() {
        return changesLeft < 0;
    }

    private void count() throws IOException {
        if (changesLeft != Integer.MAX_VALUE && --changesLeft < 0) {
            throw new IOException("the writer is dead");
        }
    }

    @Override
    public synchronized int read(ByteBuffer into, long offset) {
        int count = (int) Math.max(0, Math.min(into.remaining(), now.size - offset));
        if (count > 0) {
            into.put(now.bytes, (int) offset, count);
        }
        return count;
    }

    @Override
    public synchronized void write(ByteBuffer from, long offset) throws IOException {
        count();
        if (writesToRefuse > 0) {
            writesToRefuse--;
            throw new FullException();
        }
        byte[] bytes = new byte[from.remaining()];
        from.get(bytes);
        change(offset, bytes);
    }

    @Override
    public synchronized void zero(long offset, long length) throws IOException {
        count();
        int count = (int) Math.max(0, Math.min(length, now.size - offset));
        change(offset, new byte[count]);
    }

    private void change(long offset, byte[] bytes) {
        if (bytes.length > 0) {
            changes.add(new Change(offset, bytes));
            now.put((int) offset, bytes, 0, bytes.length);
        }
    }

    @Override
    public synchronized void sync() throws IOException {
        count();
        for (Change change : changes) {
            if (change.isResize()) {
                durable.resize((int) change.offset);
            } else {
                durable.put((int) change.offset, change.bytes, 0, change.bytes.length);
            }
        }
        changes.clear();
    }

    @Override
    public synchronized long size() {
        return now.size;
    }

    @Override
    public synchronized void resize(long bytes) throws IOException {
        count();
        changes.add(new Change(bytes, new byte[0]));
        now.resize((int) bytes);
    }

    @Override
    public void close() {}

    /** What is in the file when all processes that used it are gone, but the host lives. */
    public synchronized byte[] afterKill() {
        return Arrays.copyOf(now.bytes, now.size);
    }

    /** What may be in the file after the host crashed. */
    public synchronized byte[] afterCrash(Random random) {
        Content content = new Content();
        content.put(0, durable.bytes, 0, durable.size);
        int keptOfHundred = random.nextInt(101);
        for (Change change : changes) {
            boolean whole = random.nextBoolean();
            boolean kept = random.nextInt(100) < keptOfHundred;
            if (change.isResize()) {
                if (kept) {
                    content.resize((int) change.offset);
                }
                continue;
            }
            for (int at = 0; at < change.bytes.length; ) {
                int offset = (int) change.offset + at;
                int sectorEnd = (offset / SECTOR_BYTES + 1) * SECTOR_BYTES;
                int count = Math.min(sectorEnd - offset, change.bytes.length - at);
                if (whole ? kept : random.nextInt(100) < keptOfHundred) {
                    content.put(offset, change.bytes, at, count);
                }
                at += count;
            }
        }
        return Arrays.copyOf(content.bytes, content.size);
    }
}
