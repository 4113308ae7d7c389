package org.vmckpt.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import org.vmckpt.core.HumanDuration;
import org.vmckpt.core.HumanSize;
import org.vmckpt.cow.restore.DiskServer;
import org.vmckpt.cow.restore.RestoreReport;
import org.vmckpt.cow.restore.RestoredDisk;

/** What is said of a restored guest. */
final class RestoreReportText {
    private RestoreReportText() {}

    static Map<String, Object> json(RestoreReport report) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("pid", report.pid());
        json.put("qmp", report.qmpPath().toString());
        json.put("log", report.logPath().toString());
        json.put("running", report.running());
        json.put("disks", report.disks().stream().map(RestoreReportText::json).toList());
        report.diskServer().ifPresent(server -> json.put("diskServer", json(server, report.pid())));
        json.put("timings", report.timings());
        return json;
    }

    /** Paths as text: Jackson would write them as URIs. */
    private static Map<String, Object> json(RestoredDisk disk) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("device", disk.device());
        json.put("recordedPath", disk.argumentPath());
        json.put("base", disk.base().toString());
        json.put("overlay", disk.overlay().toString());
        return json;
    }

    private static Map<String, Object> json(DiskServer server, long guest) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("pid", server.pid());
        json.put("socket", server.socket().toString());
        json.put("volumes", server.volumes().stream().map(Path::toString).toList());
        json.put("restart", server.restartCommand(guest));
        return json;
    }

    static void print(RestoreReport report, PrintWriter out) {
        out.println(report.running() ? "The guest runs." : "The guest is loaded and stopped.");
        Table table = new Table();
        addRows(report, table);
        table.print(out);
        printAdvice(report, out);
    }

    static void addRows(RestoreReport report, Table table) {
        RestoreReport.Timings timings = report.timings();
        table.row("  QEMU", "pid " + report.pid() + ", log " + report.logPath())
                .row("  QMP", report.qmpPath().toString());
        for (RestoredDisk disk : report.disks()) {
            table.row("  Disk", disk.device() + " on " + disk.overlay());
        }
        report.diskServer()
                .ifPresent(server ->
                        table.row(
                                "  Server",
                                "pid %d, NBD on %s; ends with QEMU"
                                        .formatted(server.pid(), server.socket())));
        table.row(
                "  Time",
                String.format(
                        "%s: disks %s, QEMU's start %s, memory %s (%s), devices %s",
                        millis(timings.totalMillis()),
                        millis(timings.disksMillis()),
                        millis(timings.startMillis()),
                        millis(timings.memoryMillis()),
                        HumanSize.format(timings.memoryBytes()),
                        millis(timings.devicesMillis())));
    }

    static void printAdvice(RestoreReport report, PrintWriter out) {
        report.diskServer()
                .ifPresent(server ->
                        out.printf(
                                "If the server of the disks dies, QEMU waits; start it again:%n"
                                        + "  %s%n",
                                String.join(" ", server.restartCommand(report.pid()))));
    }

    static String millis(long value) {
        return HumanDuration.format(Duration.ofMillis(value));
    }
}
