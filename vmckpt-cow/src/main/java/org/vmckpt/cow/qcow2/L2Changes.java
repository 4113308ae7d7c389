package org.vmckpt.cow.qcow2;

import java.util.ArrayList;
import java.util.List;

/**
 * What a flush has to write of the L2 tables.
 *
 * @param beforeBarrier tables that nothing in the file leads to yet
 * @param afterBarrier entries that go to the file when what they lead to is durable
 * @param unlisted tables that the L1 table has to be told of
 * @param tables all tables of which something was taken
 */
record L2Changes(
        List<MetadataWrite> beforeBarrier,
        List<MetadataWrite> afterBarrier,
        List<L2Table> unlisted,
        List<L2Table> tables) {

    L2Changes() {
        this(new ArrayList<>(), new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
    }
}
