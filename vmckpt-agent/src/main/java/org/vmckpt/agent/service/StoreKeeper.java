package org.vmckpt.agent.service;

import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.CleanReport;
import org.vmckpt.core.store.Retention;
import org.vmckpt.core.store.Store;
import org.vmckpt.core.store.Upkeep;
import org.vmckpt.cow.linux.ThreadPriority;

/** Keeps the store small, beside the checkpoints and never in their way. */
final class StoreKeeper implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(StoreKeeper.class);
    private static final int BACKGROUND_NICENESS = 10;

    private final Store store;

    /** Folds layers. Retention differs by schedule, so it is not its business. */
    private final Upkeep compaction;

    private final ExecutorService thread =
            Executors.newSingleThreadExecutor(
                    Thread.ofPlatform().name("retention").daemon().factory());

    /** By series: what retention has not looked at yet. */
    private final Map<String, Manifest> newest = new ConcurrentHashMap<>();

    private StoreKeeper(Store store) {
        this.store = store;
        this.compaction = Upkeep.start(store, Optional.empty(), StoreKeeper::stepBack);
    }

    /** Also removes what a killed predecessor left. */
    static StoreKeeper start(Store store) {
        StoreKeeper keeper = new StoreKeeper(store);
        keeper.thread.execute(StoreKeeper::stepBack);
        keeper.thread.execute(keeper::clean);
        return keeper;
    }

    private static void stepBack() {
        ThreadPriority.trySetNicenessOfThisThread(BACKGROUND_NICENESS);
    }

    private void clean() {
        try {
            CleanReport report = store.clean();
            if (report.temporaryDirectoriesRemoved() > 0 || report.segmentsRemoved() > 0) {
                LOG.info(
                        "removed what was left in the store: {} temporary files, {} segments",
                        report.temporaryDirectoriesRemoved(),
                        report.segmentsRemoved());
            }
        } catch (VmckptException e) {
            LOG.warn("cleaning the store: {}", e.getMessage());
        }
    }

    /** Tells of a checkpoint; returns at once. */
    void published(Manifest checkpoint, Optional<Retention> keep) {
        String series = checkpoint.series().orElse("");
        // Only the newest of a series counts, however far behind the thread is.
        if (keep.isPresent() && newest.put(series, checkpoint) == null) {
            thread.execute(() -> {
                Manifest member = newest.remove(series);
                if (member != null) {
                    apply(keep.get(), member);
                }
            });
        }
        compaction.published(checkpoint);
    }

    private void apply(Retention retention, Manifest member) {
        try {
            Retention.Applied applied = retention.apply(store, member, Instant.now());
            if (!applied.removed().isEmpty()) {
                LOG.info(
                        "series {} of guest {}: {} old checkpoints removed, {} bytes freed",
                        member.series().orElse(""),
                        member.guest().name(),
                        applied.removed().size(),
                        applied.cleaned().bytesFreed());
            }
        } catch (VmckptException e) {
            LOG.warn("removing old checkpoints: {}", e.getMessage());
        }
    }

    @Override
    public void close() {
        thread.shutdownNow();
        compaction.close();
    }
}
