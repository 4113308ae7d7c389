package org.vmckpt.testvm.bench;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.vmckpt.core.Json;

/**
 * The outcome of a suite; all suites use this form.
 *
 * @param notes how to read the rows; for people only
 */
record BenchReport(String suite, List<BenchRow> rows, @JsonIgnore List<String> notes) {
    private static final String LINE = "  %-26s %11s %11s %11s   %12s %12s%n";

    BenchReport {
        rows = List.copyOf(rows);
        notes = List.copyOf(notes);
    }

    /**
     * {@code {"suite","rows":[{"name","unit","vmckpt":{"p50","p99","max"},"peers":{NAME:{..}}}]}}.
     */
    String toJson() {
        try {
            return Json.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(this) + "\n";
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("records of numbers are always JSON", e);
        }
    }

    /** The last two columns are vmckpt's number as a part of the peer's: below 1 is better. */
    String toTable() {
        StringBuilder text = new StringBuilder();
        for (BenchRow row : rows) {
            text.append("%n%s [%s]%n".formatted(row.name(), row.unit()));
            text.append(LINE.formatted("", "p50", "p99", "max", "p50 ratio", "p99 ratio"));
            text.append(line("vmckpt", row.vmckpt(), "", ""));
            for (Map.Entry<String, Distribution> peer : row.peers().entrySet()) {
                Distribution theirs = peer.getValue();
                text.append(
                        line(
                                peer.getKey(),
                                theirs,
                                ratio(row.vmckpt().p50(), theirs.p50()),
                                ratio(row.vmckpt().p99(), theirs.p99())));
            }
        }
        text.append("%n".formatted());
        notes.forEach(note -> text.append("%s%n".formatted(note)));
        return text.toString();
    }

    private static String line(String name, Distribution of, String p50Ratio, String p99Ratio) {
        return LINE.formatted(
                name, number(of.p50()), number(of.p99()), number(of.max()), p50Ratio, p99Ratio);
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, value < 100 ? "%.2f" : "%.0f", value);
    }

    private static String ratio(double ours, double theirs) {
        return theirs == 0 ? "-" : String.format(Locale.ROOT, "%.3f", ours / theirs);
    }
}
