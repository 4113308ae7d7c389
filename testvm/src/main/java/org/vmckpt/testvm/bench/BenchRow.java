package org.vmckpt.testvm.bench;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * One quantity.
 *
 * @param name what was measured, and on what
 * @param peers in the order in which they are shown; a peer without this quantity is absent
 */
record BenchRow(String name, String unit, Distribution vmckpt, Map<String, Distribution> peers) {
    BenchRow {
        peers = Collections.unmodifiableMap(new LinkedHashMap<>(peers));
    }
}
