package org.vmckpt.cli;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.vmckpt.cow.doctor.Diagnosis;
import org.vmckpt.cow.doctor.EngineDiagnosis;
import org.vmckpt.cow.doctor.Finding;
import org.vmckpt.cow.doctor.Verdict;

/** A diagnosis, for people and for programs. */
final class DoctorText {
    private static final String ROW = "  %-8s %-20s ";
    private static final int INDENT = ROW.formatted("", "").length();
    private static final int TEXT_WIDTH = 70;

    private DoctorText() {}

    static void print(Diagnosis diagnosis, PrintWriter out) {
        out.println("Host");
        diagnosis.host().forEach(finding -> print(finding, out));
        if (!diagnosis.guest().isEmpty()) {
            out.println("Guest");
            diagnosis.guest().forEach(finding -> print(finding, out));
        }
        out.println(diagnosis.guest().isEmpty() ? "Engines, as far as the host goes" : "Engines");
        for (EngineDiagnosis engine : diagnosis.engines()) {
            out.printf(
                    ROW + "%s%n",
                    engine.usable() ? "yes" : "NO",
                    engine.engine().text(),
                    engine.usable() ? "can be used" : "see " + String.join(", ", engine.reasons()));
        }
    }

    private static void print(Finding finding, PrintWriter out) {
        out.printf(ROW, word(finding.verdict()), finding.what());
        out.println(String.join("\n" + " ".repeat(INDENT), wrap(finding.found())));
        // Not wrapped: it is there to be copied.
        finding.remedy().forEach(line -> out.println(" ".repeat(INDENT) + "-> " + line));
    }

    private static String word(Verdict verdict) {
        return switch (verdict) {
            case OK -> "ok";
            case NOTE -> "note";
            case PROBLEM -> "PROBLEM";
            case UNKNOWN -> "?";
        };
    }

    private static List<String> wrap(String text) {
        List<String> lines = new ArrayList<>();
        StringBuilder line = new StringBuilder();
        for (String word : text.split("\\s+", -1)) {
            if (!line.isEmpty() && line.length() + 1 + word.length() > TEXT_WIDTH) {
                lines.add(line.toString());
                line.setLength(0);
            }
            line.append(line.isEmpty() ? "" : " ").append(word);
        }
        lines.add(line.toString());
        return lines;
    }

    static Map<String, Object> json(Diagnosis diagnosis) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("healthy", diagnosis.healthy());
        json.put("engines", diagnosis.engines().stream().map(DoctorText::json).toList());
        json.put("host", diagnosis.host().stream().map(DoctorText::json).toList());
        json.put("guest", diagnosis.guest().stream().map(DoctorText::json).toList());
        return json;
    }

    private static Map<String, Object> json(EngineDiagnosis engine) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("engine", engine.engine().text());
        json.put("usable", engine.usable());
        json.put("reasons", engine.reasons());
        json.put("remedies", engine.remedies());
        return json;
    }

    private static Map<String, Object> json(Finding finding) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("what", finding.what());
        json.put("verdict", finding.verdict().name().toLowerCase(Locale.ROOT));
        json.put("found", finding.found());
        json.put("remedy", finding.remedy());
        return json;
    }
}
