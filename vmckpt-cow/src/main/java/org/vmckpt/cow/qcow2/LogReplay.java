package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** Brings entries that a killed process had changed in its memory into ours. */
final class LogReplay {
    private final Qcow2Header header;
    private final L2Cache l2;
    private final HostClusters clusters;
    private final EntryChanges changes;

    LogReplay(Qcow2Header header, L2Cache l2, HostClusters clusters, EntryChanges changes) {
        this.header = header;
        this.l2 = l2;
        this.clusters = clusters;
        this.changes = changes;
    }

    /**
     * Claims all clusters before it changes any entry, for a change may allocate.
     *
     * @param entries what each guest cluster was changed to last
     */
    void run(Map<Long, Long> entries) throws IOException {
        long diskClusters = Math.ceilDiv(header.virtualSizeBytes(), header.clusterSizeBytes());
        Map<Long, Long> missing = new LinkedHashMap<>();
        Set<Long> hosts = new HashSet<>();
        for (Map.Entry<Long, Long> logged : entries.entrySet()) {
            long cluster = logged.getKey();
            long entry = logged.getValue();
            long old = cluster < diskClusters ? l2.entry(cluster) : entry;
            if (old != entry) {
                missing.put(cluster, entry);
                if (L2Entry.hasHost(entry) && L2Entry.host(entry) != L2Entry.host(old)) {
                    hosts.add(L2Entry.host(entry));
                }
            }
        }
        if (!clusters.claim(hosts)) {
            throw new IOException(
                    "the log of unflushed writes does not fit the image; if somebody else has"
                            + " written the image since, delete the log");
        }
        for (Map.Entry<Long, Long> change : missing.entrySet()) {
            changes.set(change.getKey(), l2.entry(change.getKey()), change.getValue());
        }
    }
}
