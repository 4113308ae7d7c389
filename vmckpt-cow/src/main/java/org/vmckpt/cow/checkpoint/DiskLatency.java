package org.vmckpt.cow.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/**
 * Rule R8: stock QEMU cannot give up a {@code stop} that waits for pending requests, so a guest
 * whose disks are slower than the drain limit is refused before it is paused.
 */
final class DiskLatency {
    private static final List<String> KINDS = List.of("rd", "wr", "flush");
    private static final Duration SAMPLE = Duration.ofMillis(100);

    private DiskLatency() {}

    private record Totals(long operations, long nanos) {}

    static void requireBelow(Duration limit, QmpClient qmp) throws VmckptException {
        Map<String, Totals> before = sample(qmp);
        sleep();
        for (Map.Entry<String, Totals> entry : sample(qmp).entrySet()) {
            Totals start = before.getOrDefault(entry.getKey(), new Totals(0, 0));
            long operations = entry.getValue().operations() - start.operations();
            long nanos = entry.getValue().nanos() - start.nanos();
            if (operations > 0 && nanos / operations > limit.toNanos()) {
                throw new RefusedException(
                        "checkpoint: requests of disk "
                                + entry.getKey()
                                + " take "
                                + nanos / operations / 1_000_000
                                + " ms at present, longer than the drain limit of "
                                + limit.toMillis()
                                + " ms, and the guest would stand still that long;"
                                + " wait until the disk is faster, or raise --drain-timeout");
            }
        }
    }

    private static Map<String, Totals> sample(QmpClient qmp) throws VmckptException {
        Map<String, Totals> totals = new HashMap<>();
        for (JsonNode disk : qmp.execute("query-blockstats")) {
            JsonNode stats = disk.path("stats");
            String name = disk.path("device").asText("");
            name =
                    name.isEmpty()
                            ? disk.path("qdev").asText(disk.path("node-name").asText())
                            : name;
            for (String kind : KINDS) {
                totals.put(
                        name + " (" + kind + ")",
                        new Totals(
                                stats.path(kind + "_operations").asLong(),
                                stats.path(kind + "_total_time_ns").asLong()));
            }
        }
        return totals;
    }

    private static void sleep() throws RefusedException {
        try {
            Thread.sleep(SAMPLE);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new RefusedException("checkpoint: interrupted before the guest was paused", e);
        }
    }
}
