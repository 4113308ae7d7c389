package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.util.Optional;

/** Changes entries. The caller holds the guest cluster. */
final class EntryChanges {
    private final L2Cache l2;
    private final HostClusters clusters;
    private final Drops drops;
    private final int clusterBits;
    private final String name;
    private final Optional<EntryLog> log;

    EntryChanges(
            L2Cache l2,
            HostClusters clusters,
            Drops drops,
            int clusterBits,
            String name,
            Optional<EntryLog> log) {
        this.l2 = l2;
        this.clusters = clusters;
        this.drops = drops;
        this.clusterBits = clusterBits;
        this.name = name;
        this.log = log;
    }

    /** Visible to all requests at once; durable, and the old cluster free, after a flush. */
    void set(long cluster, long old, long entry) throws IOException {
        if (old == L2Entry.DAMAGED) {
            throw EntryChecks.damaged(name, cluster << clusterBits);
        }
        l2.set(cluster, entry, clusters);
        if (log.isPresent()) {
            log.get().append(cluster, entry);
        }
        boolean keepsHost =
                L2Entry.hasHost(old)
                        && L2Entry.hasHost(entry)
                        && L2Entry.host(old) == L2Entry.host(entry);
        if (!keepsHost) {
            drops.add(Drop.of(old, clusterBits));
        }
    }
}
