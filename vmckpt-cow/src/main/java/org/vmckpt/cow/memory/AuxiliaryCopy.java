package org.vmckpt.cow.memory;

import java.nio.ByteBuffer;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.stream.DeviceStreamBuilder.Content;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.GuestFile;
import org.vmckpt.cow.linux.NativeBuffer;

/**
 * A copy of {@link AuxiliaryMemory}, made once, in the pause, into memory that is there already.
 *
 * <p>Pages that the kernel never gave QEMU are passed over: of 16 MiB of video memory a text
 * console uses 2, and reading all of it would take longer than everything else in the pause.
 */
public final class AuxiliaryCopy implements AutoCloseable {
    private static final ByteBuffer ZEROS = ByteBuffer.allocate(Slot.PAGE_BYTES);

    /** Of an entry of /proc/PID/pagemap: in memory, or swapped out. */
    private static final long PRESENT_OR_SWAPPED = 3L << 62;

    /** One longer read is quicker than two. */
    private static final int MAX_GAP_PAGES = 16;

    private final long pid;
    private final List<AuxiliaryBlock> blocks;
    private final GuestFile memory;
    private final GuestFile pagemap;
    private final NativeBuffer copy;
    private final NativeBuffer entries;

    private AuxiliaryCopy(
            long pid,
            List<AuxiliaryBlock> blocks,
            GuestFile memory,
            GuestFile pagemap,
            NativeBuffer copy,
            NativeBuffer entries) {
        this.pid = pid;
        this.blocks = blocks;
        this.memory = memory;
        this.pagemap = pagemap;
        this.copy = copy;
        this.entries = entries;
    }

    static AuxiliaryCopy prepare(long pid, List<AuxiliaryBlock> blocks) throws VmckptException {
        long totalBytes = blocks.stream().mapToLong(AuxiliaryBlock::sizeBytes).sum();
        long largestBytes = blocks.stream().mapToLong(AuxiliaryBlock::sizeBytes).max().orElse(0);
        List<AutoCloseable> opened = new ArrayList<>();
        try {
            GuestFile memory = opened(opened, open(pid, "mem"));
            GuestFile pagemap = opened(opened, open(pid, "pagemap"));
            NativeBuffer copy = opened(opened, allocate(totalBytes));
            long entryBytes = largestBytes / Slot.PAGE_BYTES * Long.BYTES;
            return new AuxiliaryCopy(
                    pid, blocks, memory, pagemap, copy, opened(opened, allocate(entryBytes)));
        } catch (ErrnoException e) {
            opened.forEach(AuxiliaryCopy::closeQuietly);
            throw new RefusedException(
                    "checkpoint: cannot prepare to read the guest's video memory and ROMs: "
                            + e.getMessage()
                            + "; vmckpt needs root, or CAP_SYS_PTRACE, and "
                            + totalBytes
                            + " bytes of memory",
                    e);
        }
    }

    private static <T extends AutoCloseable> T opened(List<AutoCloseable> all, T one) {
        all.add(one);
        return one;
    }

    private static GuestFile open(long pid, String name) throws ErrnoException {
        return GuestFile.openForReading(Path.of("/proc", Long.toString(pid), name));
    }

    private static NativeBuffer allocate(long sizeBytes) throws ErrnoException {
        return NativeBuffer.allocate(Math.max(sizeBytes, Slot.PAGE_BYTES));
    }

    private static void closeQuietly(AutoCloseable resource) {
        try {
            resource.close();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    /** Makes the copy; the guest stands still. */
    public void read() throws VmckptException {
        long target = copy.address();
        for (AuxiliaryBlock block : blocks) {
            if (block.anonymous()) {
                readPopulated(block, target);
            } else {
                read(block, target, 0, block.sizeBytes());
            }
            target += block.sizeBytes();
        }
    }

    private void readPopulated(AuxiliaryBlock block, long target) throws RefusedException {
        int pageCount = (int) (block.sizeBytes() / Slot.PAGE_BYTES);
        int entryBytes = pageCount * Long.BYTES;
        long from = block.hostAddress() / Slot.PAGE_BYTES * Long.BYTES;
        requireAll(block, pagemap.pread(entries.address(), entryBytes, from), entryBytes);
        LongBuffer pages = entries.slice(0, entryBytes).asLongBuffer();
        int start = nextPopulated(pages, 0);
        while (start < pageCount) {
            int end = start + 1;
            int next = nextPopulated(pages, end);
            while (next < pageCount && next - end <= MAX_GAP_PAGES) {
                end = next + 1;
                next = nextPopulated(pages, end);
            }
            read(
                    block,
                    target,
                    (long) start * Slot.PAGE_BYTES,
                    (long) (end - start) * Slot.PAGE_BYTES);
            start = next;
        }
    }

    private static int nextPopulated(LongBuffer pages, int from) {
        int page = from;
        while (page < pages.limit() && (pages.get(page) & PRESENT_OR_SWAPPED) == 0) {
            page++;
        }
        return page;
    }

    private void read(AuxiliaryBlock block, long target, long offset, long count)
            throws RefusedException {
        long read = memory.pread(target + offset, count, block.hostAddress() + offset);
        requireAll(block, read, count);
    }

    private void requireAll(AuxiliaryBlock block, long read, long expected)
            throws RefusedException {
        if (read != expected) {
            throw new RefusedException(
                    "checkpoint: reading the guest's RAM block %s from QEMU (pid %d): expected %d bytes, found %s; QEMU has ended, or a device was plugged out meanwhile; take the checkpoint again"
                            .formatted(
                                    block.name(),
                                    pid,
                                    expected,
                                    read < 0 ? "errno " + -read : Long.toString(read)));
        }
    }

    /** How much of what was read is in pages that are not zeros. */
    long bytesInUse() {
        long bytes = 0;
        for (Content content : contents()) {
            ByteBuffer data = content.content();
            for (int at = 0; at < data.limit(); at += Slot.PAGE_BYTES) {
                boolean zeros = data.slice(at, Slot.PAGE_BYTES).mismatch(ZEROS) < 0;
                bytes += zeros ? 0 : Slot.PAGE_BYTES;
            }
        }
        return bytes;
    }

    /** What was read, valid until {@link #close}. */
    public List<Content> contents() {
        List<Content> contents = new ArrayList<>();
        long offset = 0;
        for (AuxiliaryBlock block : blocks) {
            int sizeBytes = Math.toIntExact(block.sizeBytes());
            contents.add(new Content(block.name(), copy.slice(offset, sizeBytes)));
            offset += sizeBytes;
        }
        return contents;
    }

    @Override
    public void close() {
        memory.close();
        pagemap.close();
        copy.close();
        entries.close();
    }
}
