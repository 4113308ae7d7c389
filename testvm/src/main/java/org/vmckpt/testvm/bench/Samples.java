package org.vmckpt.testvm.bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/** What a guest's rounds have measured so far, and the rows that come of it. */
final class Samples {
    static final String VMCKPT = "vmckpt";

    private record Quantity(String name, String unit) {}

    private final Map<Quantity, Map<String, List<Double>>> samples = new LinkedHashMap<>();

    void add(String quantity, String unit, String contender, double value) {
        samples.computeIfAbsent(new Quantity(quantity, unit), _ -> new LinkedHashMap<>())
                .computeIfAbsent(contender, _ -> new ArrayList<>())
                .add(value);
    }

    Optional<Distribution> find(String quantity, String contender) {
        return samples.entrySet().stream()
                .filter(entry -> entry.getKey().name().equals(quantity))
                .map(entry -> entry.getValue().get(contender))
                .filter(Objects::nonNull)
                .findFirst()
                .map(Distribution::of);
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
