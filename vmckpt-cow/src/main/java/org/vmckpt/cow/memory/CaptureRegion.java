package org.vmckpt.cow.memory;

import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.GuestFile;
import org.vmckpt.cow.linux.GuestView;

/** A region during one capture: where it is protected, where it is read, and its pages' states. */
final class CaptureRegion {
    private static final int MAX_EXTENTS = 10_000;

    final int index;
    final long address;
    final int pageCount;
    final PageStates states;
    final GuestFile file;
    final AtomicBoolean registered = new AtomicBoolean();
    final WrittenPages written = new WrittenPages();
    private final long fileOffset;
    private @Nullable GuestView view;

    CaptureRegion(int index, long address, long sizeBytes, GuestFile file, long fileOffset) {
        this.index = index;
        this.address = address;
        this.pageCount = Math.toIntExact(sizeBytes / Slot.PAGE_BYTES);
        this.file = file;
        this.fileOffset = fileOffset;
        this.states = new PageStates(pageCount);
    }

    long sizeBytes() {
        return (long) pageCount * Slot.PAGE_BYTES;
    }

    /** Makes {@link #read} quicker, if it can be. */
    void openView() {
        try {
            view = file.view(fileOffset + sizeBytes());
        } catch (ErrnoException e) {
            view = null;
        }
    }

    /** After the threads that read. Twice is harmless. */
    void closeView() {
        if (view != null) {
            view.close();
            view = null;
        }
    }

    /**
     * Copies pages that are no holes. Allocates nothing.
     *
     * @return the bytes read, all of them, or a negative errno
     */
    long read(int page, int count, long toAddress) {
        long bytes = (long) count * Slot.PAGE_BYTES;
        if (view == null) {
            return file.pread(toAddress, bytes, offsetOf(page));
        }
        view.read(offsetOf(page), bytes, toAddress);
        return bytes;
    }

    /** How many pages the next capture wants and must read, about. */
    int wantedPages() throws ErrnoException {
        int loose = loosePages();
        // To look for holes takes long in fragmented memory, and what was written is no hole.
        return loose <= pageCount / 2 ? loose : Math.min(loose, dataPages());
    }

    private int loosePages() {
        int count = 0;
        int page = states.next(PageStates.LOOSE, 0, pageCount);
        while (page < pageCount) {
            count++;
            page = states.next(PageStates.LOOSE, page + 1, pageCount);
        }
        return count;
    }

    /**
     * How many pages are no holes, which are then quick to read; all of them when so many pieces
     * take too long to count.
     */
    private int dataPages() throws ErrnoException {
        int count = 0;
        long end = offsetOf(pageCount);
        long data = file.nextData(offsetOf(0));
        for (int i = 0; data >= 0 && data < end; i++) {
            if (i == MAX_EXTENTS) {
                return pageCount;
            }
            long hole = Math.min(end, file.nextHole(data));
            if (view != null) {
                view.populate(data, hole - data);
            }
            count += pageAtOffset(hole + Slot.PAGE_BYTES - 1) - pageAtOffset(data);
            data = file.nextData(hole);
        }
        return count;
    }

    boolean contains(long hostAddress) {
        return hostAddress >= address && hostAddress < address + sizeBytes();
    }

    int pageAt(long hostAddress) {
        return (int) ((hostAddress - address) / Slot.PAGE_BYTES);
    }

    long addressOf(int page) {
        return address + (long) page * Slot.PAGE_BYTES;
    }

    long offsetOf(int page) {
        return fileOffset + (long) page * Slot.PAGE_BYTES;
    }

    /** The page that holds a byte of the file; never past the region's end. */
    int pageAtOffset(long offset) {
        return (int) Math.min(pageCount, (offset - fileOffset) / Slot.PAGE_BYTES);
    }
}
