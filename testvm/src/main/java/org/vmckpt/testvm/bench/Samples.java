package org.vmckpt.testvm.bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What a guest's rounds have measured so far, and the rows that come of it. */
final class Samples {
    private static final String VMCKPT = "vmckpt";

    private record Quantity(String name, String unit) {}

    private final Map<Quantity, Map<String, List<Double>>> samples = new LinkedHashMap<>();

    void add(String quantity, String unit, String contender, double value) {
        samples.computeIfAbsent(new Quantity(quantity, unit), _ -> new LinkedHashMap<>())
                .computeIfAbsent(contender, _ -> new ArrayList<>())
                .add(value);
    }

    /** One row for each quantity that vmckpt has. */
    List<BenchRow> rows(String guest) {
        List<BenchRow> rows = new ArrayList<>();
        samples.forEach((quantity, contenders) -> {
            Map<String, Distribution> all = new LinkedHashMap<>();
            contenders.forEach((name, values) -> all.put(name, Distribution.of(values)));
            Distribution ours = all.remove(VMCKPT);
            if (ours != null) {
                String name = guest + ": " + quantity.name();
                rows.add(new BenchRow(name, quantity.unit(), ours, all));
            }
        });
        return rows;
    }
}
