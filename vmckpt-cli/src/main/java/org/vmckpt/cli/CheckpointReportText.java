package org.vmckpt.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.Map;
import org.vmckpt.core.HumanDuration;
import org.vmckpt.core.HumanSize;
import org.vmckpt.core.Json;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.cow.checkpoint.PauseTimes;

/** The short report at the end of a checkpoint. */
final class CheckpointReportText {
    private CheckpointReportText() {}

    static ObjectNode json(CheckpointReport report) {
        ObjectNode json = Json.MAPPER.valueToTree(report);
        json.remove("manifest");
        json.put("engine", report.engine().chosen().text());
        json.set("enginesPassedOver", Json.MAPPER.valueToTree(report.engine().reasons()));
        json.put("id", report.manifest().id().value());
        json.put("name", report.manifest().name().orElse(null));
        json.put("memoryBytes", report.manifest().memoryBytes());
        json.set("statistics", Json.MAPPER.valueToTree(report.manifest().statistics()));
        return json;
    }

    static void print(CheckpointReport report, PrintWriter out) {
        PauseTimes pause = report.pause();
        out.println("Checkpoint " + report.manifest().id());
        report.engine().reasons().forEach(reason -> out.println("  " + reason));
        new Table()
                .row("  Engine", report.engine().chosen().text(), why(report))
                .row("  Pause", micros(pause.totalMicros()), parts(pause))
                .row("  Copy window", micros(report.copyWindowMicros()), faults(report))
                .row("  Memory", HumanSize.format(report.manifest().memoryBytes()), read(report))
                .row("  Disks", disks(report), HumanSize.format(report.diskReadBytes()) + " read")
                .row("  Stored", HumanSize.format(report.storedBytes()))
                .row(
                        "  Durable",
                        HumanDuration.format(Duration.ofMillis(report.durableMillis())),
                        "after the guest was stopped")
                .print(out);
    }

    private static String why(CheckpointReport report) {
        return report.engine().asked() ? "as asked for" : "the first that the guest allows";
    }

    private static String parts(PauseTimes pause) {
        return String.format(
                "stop %s, fork %s, devices %s, arm %s, cont %s",
                micros(pause.stopMicros()),
                micros(pause.forkMicros()),
                micros(pause.devicesMicros()),
                micros(pause.armMicros()),
                micros(pause.contMicros()));
    }

    private static String faults(CheckpointReport report) {
        if (report.engine().chosen() != EngineName.UFFD) {
            return "";
        }
        String faults = Statistics.text("", report.cowFaults()) + " COW faults";
        Map<String, Long> statistics = report.manifest().statistics();
        Long p50 = statistics.get("cowFaultP50Micros");
        Long p99 = statistics.get("cowFaultP99Micros");
        return report.cowFaults() == 0 || p50 == null || p99 == null
                ? faults
                : faults + ", p50 " + micros(p50) + ", p99 " + micros(p99);
    }

    private static String read(CheckpointReport report) {
        return HumanSize.format(report.memoryReadBytes()) + " read";
    }

    private static String disks(CheckpointReport report) {
        int disks = report.manifest().disks().size();
        return report.foldedOverlays() == 0
                ? Integer.toString(disks)
                : disks + ", " + report.foldedOverlays() + " overlays folded";
    }

    private static String micros(long value) {
        return HumanDuration.format(Duration.ofNanos(value * 1_000));
    }
}
