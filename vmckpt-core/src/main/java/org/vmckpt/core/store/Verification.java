package org.vmckpt.core.store;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;

/** Reads all of a checkpoint and collects what is wrong with it. */
final class Verification {
    /** What is reported; a dead disk has more problems than anyone reads. */
    private static final int MAX_PROBLEMS = 100;

    private final StoreDirectory directory;
    private final ProgressListener progress;
    private final long totalBytes;
    private final AtomicLong doneBytes = new AtomicLong();

    /** Guarded by itself. */
    private final List<String> problems = new ArrayList<>();

    private Verification(StoreDirectory directory, long totalBytes, ProgressListener progress) {
        this.directory = directory;
        this.totalBytes = totalBytes;
        this.progress = progress;
    }

    static VerifyReport run(
            StoreDirectory directory,
            Manifest manifest,
            long totalBytes,
            ProgressListener progress) {
        return new Verification(directory, totalBytes, progress).verify(manifest);
    }

    private VerifyReport verify(Manifest manifest) {
        long blocks = 0;
        for (SegmentName name : manifest.segments()) {
            try (SegmentReader reader = SegmentReader.open(directory.segment(name), name)) {
                blocks += sweep(reader);
            } catch (VmckptException e) {
                report(e);
            }
        }
        synchronized (problems) {
            return new VerifyReport(
                    manifest.id(), manifest.segments().size(), blocks, doneBytes.get(), problems);
        }
    }

    private long sweep(SegmentReader reader) throws VmckptException {
        long before = doneBytes.get();
        long perBlock = reader.storedBytes() / Math.max(1, reader.blockCount());
        long sound =
                SegmentSweep.run(
                        reader,
                        new SegmentSweep.Listener() {
                            @Override
                            public void verified(int block) {
                                long done = doneBytes.addAndGet(perBlock);
                                progress.update("verify", done, totalBytes, "bytes");
                            }

                            @Override
                            public void damaged(int block, VmckptException problem) {
                                report(problem);
                            }
                        });
        doneBytes.set(before + reader.storedBytes());
        progress.update("verify", doneBytes.get(), totalBytes, "bytes");
        return sound;
    }

    private void report(VmckptException problem) {
        synchronized (problems) {
            if (problems.size() < MAX_PROBLEMS) {
                problems.add(problem.getMessage());
            }
        }
    }
}
