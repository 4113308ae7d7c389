package org.vmckpt.cow.memory;

import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.GuestFile;
import org.vmckpt.cow.linux.GuestView;

/**
 * A region during one capture: where it is protected, where it is read, and its pages' states.
 *
 * <p>A page is what can be protected by itself, a huge page where memory is made of those. It is
 * stored as {@link #unitsPerPage} units of {@link Slot#PAGE_BYTES}.
 */
final class CaptureRegion {
    private static final int MAX_EXTENTS = 10_000;

    final int index;
    final long address;
    final int pageBytes;
    final int unitsPerPage;
    final int pageCount;
    final PageStates states;
    final GuestFile file;
    final AtomicBoolean registered = new AtomicBoolean();
    final WrittenPages written = new WrittenPages();
    private final long fileOffset;
    private @Nullable GuestView view;

    CaptureRegion(
            int index,
            long address,
            long sizeBytes,
            int pageBytes,
            GuestFile file,
            long fileOffset) {
        this.index = index;
        this.address = address;
        this.pageBytes = pageBytes;
        this.unitsPerPage = pageBytes / Slot.PAGE_BYTES;
        this.pageCount = Math.toIntExact(sizeBytes / pageBytes);
        this.file = file;
        this.fileOffset = fileOffset;
        this.states = new PageStates(pageCount);
    }

    boolean isHuge() {
        return unitsPerPage > 1;
    }

    long bytesOf(int pages) {
        return (long) pages * pageBytes;
    }

    int unitsOf(int pages) {
        return pages * unitsPerPage;
    }

    long sizeBytes() {
        return bytesOf(pageCount);
    }

    /**
     * Makes {@link #read} quicker, if it can be. Files of huge pages do not tell their holes, and
     * to read one through a mapping takes a huge page of the host, or is a SIGBUS if it has none
     * left.
     */
    void openView() {
        if (isHuge()) {
            return;
        }
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
        long bytes = bytesOf(count);
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
            count += pageAtOffset(hole + pageBytes - 1) - pageAtOffset(data);
            data = file.nextData(hole);
        }
        return count;
    }

    boolean contains(long hostAddress) {
        return hostAddress >= address && hostAddress < address + sizeBytes();
    }

    int pageAt(long hostAddress) {
        return (int) ((hostAddress - address) / pageBytes);
    }

    long addressOf(int page) {
        return address + bytesOf(page);
    }

    long offsetOf(int page) {
        return fileOffset + bytesOf(page);
    }

    /** The page that holds a byte of the file; never past the region's end. */
    int pageAtOffset(long offset) {
        return (int) Math.min(pageCount, (offset - fileOffset) / pageBytes);
    }
}
