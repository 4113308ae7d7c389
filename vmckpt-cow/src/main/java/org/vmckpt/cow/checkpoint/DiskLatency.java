package org.vmckpt.cow.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/**
 * Rule R8: stock QEMU cannot give up a {@code stop} that waits for pending requests, so a guest
 * whose disks are slower than the drain limit is refused before it is paused.
 *
 * <p>Watched are the requests that end, and disks whose requests do not end at all: those are
 * waited for, until one ends or the limit is over. Idle disks cost nothing but the first sample.
 */
final class DiskLatency {
    private static final List<String> KINDS = List.of("rd", "wr", "flush");
    private static final Duration SAMPLE = Duration.ofMillis(100);
    private static final Duration POLL = Duration.ofMillis(20);

    private final QmpClient qmp;
    private final Duration limit;
    private final Set<String> exempt;
    private final Map<String, Totals> first;

    /** By disk: since when it has unanswered requests and answers none, of System.nanoTime. */
    private final Map<String, Long> silentSince = new HashMap<>();

    private record Totals(long operations, long nanos) {}

    private DiskLatency(
            QmpClient qmp, Duration limit, Set<String> exempt, Map<String, Totals> first) {
        this.qmp = qmp;
        this.limit = limit;
        this.exempt = exempt;
        this.first = first;
    }

    /**
     * Looks at all disks.
     *
     * @param exempt disks that the pause will not wait for
     */
    static void requireBelow(Duration limit, QmpClient qmp, Set<String> exempt)
            throws VmckptException {
        DiskLatency latency = new DiskLatency(qmp, limit, exempt, new HashMap<>());
        latency.first.putAll(latency.sample());
        sleep(SAMPLE);
        latency.requireQuickAnswers();
        while (latency.isWaiting()) {
            sleep(POLL);
            latency.requireQuickAnswers();
        }
    }

    private boolean isWaiting() {
        return !silentSince.isEmpty();
    }

    private void requireQuickAnswers() throws VmckptException {
        for (Map.Entry<String, Totals> entry : sample().entrySet()) {
            Totals start = first.getOrDefault(entry.getKey(), new Totals(0, 0));
            long operations = entry.getValue().operations() - start.operations();
            long nanos = entry.getValue().nanos() - start.nanos();
            if (operations > 0 && nanos / operations > limit.toNanos()) {
                throw tooSlow(entry.getKey(), "take " + nanos / operations / 1_000_000 + " ms");
            }
        }
        long now = System.nanoTime();
        Optional<String> stuck =
                silentSince.entrySet().stream()
                        .filter(entry -> now - entry.getValue() > limit.toNanos())
                        .map(Map.Entry::getKey)
                        .findFirst();
        if (stuck.isPresent()) {
            throw tooSlow(stuck.get(), "take more than " + limit.toMillis() + " ms");
        }
    }

    private RefusedException tooSlow(String disk, String found) {
        return new RefusedException(
                "checkpoint: requests of disk "
                        + disk
                        + " "
                        + found
                        + " at present, longer than the drain limit of "
                        + limit.toMillis()
                        + " ms, and the guest would stand still that long; it was not paused;"
                        + " wait until the disk is faster, or raise --drain-timeout");
    }

    /** Totals by disk and kind of request; and takes down which disks are silent. */
    private Map<String, Totals> sample() throws VmckptException {
        var waiting = PendingRequests.devices(qmp);
        long now = System.nanoTime();
        Map<String, Totals> totals = new HashMap<>();
        for (JsonNode disk : qmp.execute("query-blockstats")) {
            JsonNode stats = disk.path("stats");
            String name = name(disk);
            if (exempt.contains(name)) {
                continue;
            }
            long answered = 0;
            for (String kind : KINDS) {
                Totals total =
                        new Totals(
                                stats.path(kind + "_operations").asLong(),
                                stats.path(kind + "_total_time_ns").asLong());
                totals.put(name + " (" + kind + ")", total);
                answered += total.operations() - before(name, kind);
            }
            // Against the first sample: a disk that answered once since then is judged by that.
            if (waiting.contains(disk.path("qdev").asText())
                    && (first.isEmpty() || answered == 0)) {
                silentSince.putIfAbsent(name, now);
            } else {
                silentSince.remove(name);
            }
        }
        return totals;
    }

    private long before(String disk, String kind) {
        return first.getOrDefault(disk + " (" + kind + ")", new Totals(0, 0)).operations();
    }

    private static String name(JsonNode disk) {
        String name = disk.path("device").asText("");
        return name.isEmpty() ? disk.path("qdev").asText(disk.path("node-name").asText()) : name;
    }

    private static void sleep(Duration duration) throws RefusedException {
        try {
            Thread.sleep(duration);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new RefusedException("checkpoint: interrupted before the guest was paused", e);
        }
    }
}
