package org.vmckpt.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.List;
import org.vmckpt.core.HumanDuration;
import org.vmckpt.core.HumanSize;
import org.vmckpt.core.Json;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Upkeep;
import org.vmckpt.cow.checkpoint.CheckpointReport;

/**
 * What {@code vmckpt watch} shows: on a terminal one line that is written over, in a log one line a
 * checkpoint, with {@code --json} one object a line.
 */
final class WatchView implements AutoCloseable {
    private static final String START_OF_LINE = "\r";
    private static final String CLEAR_REST = "\u001b[K";

    private final Session session;
    private final PrintWriter out;
    private final boolean json;
    private final boolean terminal;
    private long taken;
    private long failed;
    private long storedBytes;
    private boolean lineOpen;
    private List<String> lastWarnings = List.of();

    private WatchView(Session session) {
        this.session = session;
        this.out = Session.writer(session.streams().out());
        this.json = session.options().json;
        this.terminal =
                !json && session.options().showProgress() && session.streams().errIsTerminal();
    }

    static WatchView of(Session session) {
        return new WatchView(session);
    }

    /**
     * Shows a checkpoint.
     *
     * @param behind how much later than planned it began
     */
    void took(CheckpointReport report, Duration behind, Upkeep upkeep) {
        taken++;
        storedBytes += report.storedBytes();
        if (json) {
            print(toJson(report, behind));
        } else if (terminal) {
            out.print(START_OF_LINE + line(report, behind) + CLEAR_REST);
            out.flush();
            lineOpen = true;
        } else {
            out.println(line(report, behind));
        }
        upkeep.problem().ifPresent(problem -> warn("keeping the store small: " + problem));
        // What every checkpoint has to say is said once.
        report.warnings().stream().filter(it -> !lastWarnings.contains(it)).forEach(this::warn);
        lastWarnings = report.warnings();
    }

    private String line(CheckpointReport report, Duration behind) {
        return String.format(
                "%d checkpoints, last %s: pause %s, dirty %d pages, stored %s, durable after %s,"
                        + " behind %s, failed %d",
                taken,
                report.manifest().id().shortForm(),
                micros(report.pause().totalMicros()),
                dirtyPages(report),
                HumanSize.format(report.storedBytes()),
                HumanDuration.format(Duration.ofMillis(report.durableMillis())),
                HumanDuration.format(behind),
                failed);
    }

    private static String micros(long micros) {
        return HumanDuration.format(Duration.ofNanos(micros * 1000));
    }

    private static long dirtyPages(CheckpointReport report) {
        return statistic(report, "pagesWanted");
    }

    private static long statistic(CheckpointReport report, String name) {
        return report.manifest().statistics().getOrDefault(name, 0L);
    }

    private ObjectNode toJson(CheckpointReport report, Duration behind) {
        return Json.MAPPER
                .createObjectNode()
                .put("event", "checkpoint")
                .put("number", taken)
                .put("id", report.manifest().id().toString())
                .put("createdAt", report.manifest().createdAt().toString())
                .put("pauseMicros", report.pause().totalMicros())
                .put("copyWindowMicros", report.copyWindowMicros())
                .put("dirtyPages", dirtyPages(report))
                .put("cowFaults", report.cowFaults())
                .put("cowFaultP50Micros", statistic(report, "cowFaultP50Micros"))
                .put("cowFaultP99Micros", statistic(report, "cowFaultP99Micros"))
                .put("cowFaultMaxMicros", statistic(report, "cowFaultMaxMicros"))
                .put("memoryReadBytes", report.memoryReadBytes())
                .put("diskReadBytes", report.diskReadBytes())
                .put("storedBytes", report.storedBytes())
                .put("durableMillis", report.durableMillis())
                .put("behindMillis", behind.toMillis());
    }

    /** Shows a checkpoint that failed; the guest runs on. */
    void failed(VmckptException failure) {
        failed++;
        if (json) {
            print(
                    Json.MAPPER
                            .createObjectNode()
                            .put("event", "failure")
                            .put("error", failure.getMessage()));
        } else {
            warn(String.valueOf(failure.getMessage()));
        }
    }

    /** Sums up. */
    void ended(Upkeep upkeep) {
        if (json) {
            print(
                    Json.MAPPER
                            .createObjectNode()
                            .put("event", "end")
                            .put("checkpoints", taken)
                            .put("failures", failed)
                            .put("storedBytes", storedBytes)
                            .put("checkpointsRemoved", upkeep.checkpointsRemoved())
                            .put("bytesFreed", upkeep.bytesFreed()));
            return;
        }
        endLine();
        out.printf(
                "%d checkpoints, %d failed, %s stored; %d removed, %s freed. The guest runs on.%n",
                taken,
                failed,
                HumanSize.format(storedBytes),
                upkeep.checkpointsRemoved(),
                HumanSize.format(upkeep.bytesFreed()));
    }

    private void print(ObjectNode object) {
        try {
            out.println(Json.MAPPER.writeValueAsString(object));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    private void warn(String message) {
        endLine();
        session.warn(message);
    }

    private void endLine() {
        if (lineOpen) {
            out.println();
            lineOpen = false;
        }
    }

    @Override
    public void close() {
        endLine();
    }
}
