package org.vmckpt.cli;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Map;
import org.vmckpt.cow.rollback.RollbackReport;

/** What {@code vmckpt rollback} says of a guest that has its own QMP socket. */
final class RollbackReportText {
    private RollbackReportText() {}

    static Map<String, Object> json(RollbackReport report) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("checkpoint", report.from().toString());
        report.safety().ifPresent(id -> json.put("before", id.toString()));
        json.put("oldPid", report.oldPid());
        json.put("standstillMillis", report.standstillMillis());
        json.put("oldDisks", report.oldDisks());
        json.put("oldFiles", report.keptFiles());
        json.put("guest", RestoreReportText.json(report.guest()));
        return json;
    }

    static void print(RollbackReport report, String guest, PrintWriter out) {
        out.printf(
                report.guest().running()
                        ? "The guest runs from checkpoint %s.%n"
                        : "The guest is at checkpoint %s, and stopped.%n",
                report.from());
        Table table = new Table();
        report.safety()
                .ifPresent(id ->
                        table.row("  Before", id + "; undo: vmckpt rollback " + guest + " " + id));
        table.row("  Standstill", RestoreReportText.millis(report.standstillMillis()));
        RestoreReportText.addRows(report.guest(), table);
        report.oldDisks().forEach(disk -> table.row("  Old disk", disk + ", not used any more"));
        report.keptFiles().forEach(file -> table.row("  Old file", file));
        table.print(out);
        RestoreReportText.printAdvice(report.guest(), out);
    }
}
