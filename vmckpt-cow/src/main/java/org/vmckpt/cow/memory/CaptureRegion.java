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
    // A copier that falls further behind goes by what was written before.
    private static final int MAX_FAULTS = 4096;

    final int index;
    final long address;
    final int pageBytes;
    final int unitsPerPage;
    final int pageCount;
    final PageStates states;
    final GuestFile file;
    final AtomicBoolean registered = new AtomicBoolean();
    final WrittenPages written = new WrittenPages();
    final HotBlocks hot;
    private final long fileOffset;
    private final DataExtents data = new DataExtents();
    private final IntRing faults = new IntRing(MAX_FAULTS);
    private boolean mostIsWanted;
    private boolean dataKnown;
    // For the checkpoint in hand. Of pages that are armed again after they were let go, too.
    private long pagesArmed;
    private long pagesLetGo;
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
        this.hot = new HotBlocks(pageCount);
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

    /** As many pages as these units are, but at least one. */
    int pagesIn(int units) {
        return Math.max(1, units / unitsPerPage);
    }

    long sizeBytes() {
        return bytesOf(pageCount);
    }

    /**
     * Makes {@link #readData} quicker, if it can be. Files of huge pages do not tell their holes,
     * and to read one through a mapping takes a huge page of the host, or is a SIGBUS if it has
     * none left.
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

    /** All that was wanted has been read. */
    void releaseView() {
        if (view != null && dataKnown) {
            view.release();
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
     * Gets ready to be read, before anything is protected: it may take long. Most of memory is
     * looked through for holes, which need not be read; what is wanted between two checkpoints was
     * written, so holes are few.
     *
     * @return how many pages are to be read, about
     */
    int prepareToRead() throws ErrnoException {
        int wantedPages = states.count(PageStates.LOOSE, pageCount);
        mostIsWanted = wantedPages > pageCount / 2;
        if (!mostIsWanted || !data.find(this)) {
            return wantedPages;
        }
        if (view != null) {
            for (int i = 0; i < data.count(); i++) {
                long length = bytesOf(data.end(i) - data.first(i));
                view.populate(offsetOf(data.first(i)), length);
            }
        }
        return Math.min(wantedPages, data.pages());
    }

    /**
     * Once all that is wanted is protected, but for hot blocks: from then on the guest fills no
     * hole unnoticed, since what is armed later counts as written.
     */
    void lookForHoles() throws ErrnoException {
        dataKnown = mostIsWanted && data.find(this);
    }

    /** A new checkpoint begins, and nothing is armed. */
    void countAnew() {
        pagesArmed = 0;
        pagesLetGo = 0;
        while (takeFault() >= 0) {
            // What is left of the checkpoint before.
        }
    }

    /** For the thread that arms. */
    void countArmed(int pages) {
        pagesArmed += pages;
    }

    /** Armed pages that are let go before the pause; for the fault thread. */
    void countLetGo(int pages) {
        pagesLetGo += pages;
    }

    /** For the fault thread: what the guest works on, it goes on working on. */
    void noteFault(int page) {
        faults.offer(page);
    }

    /** The next page that the guest faulted on in this checkpoint's window, or -1. */
    int takeFault() {
        return faults.poll();
    }

    /** How much of what is armed has to be read, about; while the guest stands still. */
    long bytesToRead() {
        long pages = pagesArmed - pagesLetGo;
        // The guest may have filled a hole with each page that was let go since the look for holes.
        long filled = dataKnown ? data.pages() + pagesLetGo : pages;
        return Math.min(pages, filled) * pageBytes;
    }

    /** Where data was, if holes were looked for. */
    @Nullable DataExtents data() {
        return dataKnown ? data : null;
    }

    /**
     * Copies pages that had data. Allocates nothing.
     *
     * @return the bytes read, all of them, or a negative errno
     */
    long readData(int page, int count, long toAddress) {
        if (view == null) {
            return read(page, count, toAddress);
        }
        long bytes = bytesOf(count);
        view.read(offsetOf(page), bytes, toAddress);
        return bytes;
    }

    /** Copies pages that may be holes, and leaves those holes. As {@link #readData}, but slower. */
    long read(int page, int count, long toAddress) {
        return file.pread(toAddress, bytesOf(count), offsetOf(page));
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
