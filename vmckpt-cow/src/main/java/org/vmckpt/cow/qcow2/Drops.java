package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.vmckpt.cow.block.StorageFile;

/**
 * Dropped host clusters on their way to being free: first until the drop is durable, then until all
 * requests have left that may still use them. On the way their room is given back to the host.
 */
final class Drops {
    private record Quarantine(long era, List<Drop> drops) {}

    /** So that an unaligned giant discard is no giant call. */
    private static final int LARGEST_RUN_CLUSTERS = 1 << 14;

    private final StorageFile file;
    private final HostClusters clusters;
    private final Requests requests;
    private final int clusterBits;
    private List<Drop> pending = new ArrayList<>();
    private final ArrayDeque<Quarantine> quarantines = new ArrayDeque<>();

    Drops(StorageFile file, HostClusters clusters, Requests requests, int clusterBits) {
        this.file = file;
        this.clusters = clusters;
        this.requests = requests;
        this.clusterBits = clusterBits;
    }

    /** To be called after the entry was changed. */
    synchronized void add(Drop drop) {
        if (drop.count() > 0) {
            pending.add(drop);
        }
    }

    /** What a flush that begins now will make durable, if it copies the entries after this call. */
    synchronized List<Drop> take() {
        List<Drop> taken = pending;
        pending = new ArrayList<>();
        return taken;
    }

    synchronized void takeBack(List<Drop> taken) {
        pending.addAll(taken);
    }

    /** These drops are durable. For one thread at a time, as {@link #freeWhatNobodyUses}. */
    void confirm(List<Drop> taken) {
        if (!taken.isEmpty()) {
            quarantines.add(new Quarantine(requests.endEra(), taken));
        }
    }

    void freeWhatNobodyUses() {
        while (!quarantines.isEmpty() && requests.allLeft(quarantines.peek().era)) {
            List<Drop> drops = quarantines.remove().drops;
            drops.sort(Comparator.comparingLong(Drop::host));
            for (int i = 0; i < drops.size(); ) {
                Drop run = drops.get(i++);
                while (i < drops.size()
                        && run.count() < LARGEST_RUN_CLUSTERS
                        && run.isFollowedBy(drops.get(i), clusterBits)) {
                    run = new Drop(run.host(), run.count() + drops.get(i++).count());
                }
                free(run);
            }
        }
    }

    private void free(Drop run) {
        if (isLastUseOfAll(run)) {
            clusters.release(run.host(), run.count(), empty(run));
            return;
        }
        for (int i = 0; i < run.count(); i++) {
            Drop one = new Drop(run.host() + ((long) i << clusterBits), 1);
            boolean emptied = clusters.isLastUse(one.host()) && empty(one);
            clusters.release(one.host(), 1, emptied);
        }
    }

    private boolean isLastUseOfAll(Drop run) {
        for (int i = 0; i < run.count(); i++) {
            if (!clusters.isLastUse(run.host() + ((long) i << clusterBits))) {
                return false;
            }
        }
        return true;
    }

    /** Nobody reads or writes there; if it fails the clusters are free, but hold old data. */
    private boolean empty(Drop run) {
        try {
            file.zero(run.host(), (long) run.count() << clusterBits);
            return true;
        } catch (IOException e) {
            return false;
        }
    }
}
