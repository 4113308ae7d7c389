package org.vmckpt.cow.qcow2;

import java.util.List;

/**
 * What a flush has to write of the refcounts.
 *
 * @param first refcounts, and tables and blocks that nothing leads to yet
 * @param second what leads to those, so it is written when they are durable
 * @param blocks whose refcounts are in {@code first}
 */
record RefcountChanges(
        List<MetadataWrite> first, List<MetadataWrite> second, List<RefcountBlock> blocks) {}
