package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A report that a person reads: headline numbers, what was reached of the targets, charts, then
 * every row. One file that needs no other: charts are images within it.
 */
final class CowHtml {
    private static final String STYLE =
            """
            body { font: 15px/1.45 system-ui, sans-serif; color: #1c2226; margin: 2rem auto; max-width: 82rem; padding: 0 1rem }
            h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.15rem; margin-top: 2rem }
            .cards, .charts { display: flex; flex-wrap: wrap; gap: 1rem }
            .card { border: 1px solid #d5dade; border-radius: .5rem; padding: .7rem 1rem; min-width: 11rem }
            .card b { display: block; font-size: 1.6rem } .card span, .quiet { color: #5d6870 }
            .charts img { width: 620px; max-width: 100%; border: 1px solid #e4e8eb; border-radius: .5rem }
            table { border-collapse: collapse; width: 100% } th, td { padding: .25rem .6rem; border-bottom: 1px solid #e4e8eb; text-align: left }
            td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
            tr.ours td { background: #eef7f3; font-weight: 600 }
            .MET { color: #1b7f5c; font-weight: 700 } .MISSED { color: #b2182b; font-weight: 700 } .OPEN { color: #8a6d00; font-weight: 700 }
            """;
    private static final String BACKGROUND = "qemu background-snapshot";

    private final CowResults results;
    private final int rounds;
    private final StringBuilder html = new StringBuilder();

    private CowHtml(CowResults results, int rounds) {
        this.results = results;
        this.rounds = rounds;
    }

    static String render(CowResults results, int rounds) throws IOException {
        return new CowHtml(results, rounds).page();
    }

    private String page() throws IOException {
        html.append("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n");
        html.append("<title>vmckpt: cost of a checkpoint</title>\n<style>\n");
        html.append(STYLE).append("</style>\n</head>\n<body>\n");
        html.append("<h1>What a checkpoint costs the guest</h1>\n<p class=\"quiet\">");
        html.append("vmckpt beside QEMU's own ways on the same guests, in turn. Medians of ")
                .append(rounds)
                .append(" rounds.</p>\n");
        headlines();
        targets();
        charts();
        rows();
        notes();
        return html.append("</body>\n</html>\n").toString();
    }

    private void headlines() {
        html.append("<div class=\"cards\">\n");
        for (long size : results.memorySizes()) {
            String guest = GuestKind.size(size);
            headline(guest + ", pause under 1000 MB/s", size, CowQuantity.PAUSE, CowLoad.FAST);
            headline(guest + ", copy window", size, CowQuantity.WINDOW, CowLoad.FAST);
            headline(
                    guest + ", p99.9 of a random write",
                    size,
                    CowQuantity.STALL_P999,
                    CowLoad.RANDOM);
        }
        html.append("</div>\n");
    }

    private void headline(String what, long size, CowQuantity quantity, CowLoad load) {
        results.find(size, load.label(), quantity.label(), Samples.VMCKPT)
                .ifPresent(ours -> {
                    String theirs =
                            results.find(size, load.label(), quantity.label(), BACKGROUND)
                                    .map(peer -> "background-snapshot: " + number(peer.p50()))
                                    .orElse("");
                    html.append("<div class=\"card\">").append(escape(what));
                    html.append("<b>").append(number(ours.p50())).append(" ");
                    html.append(escape(quantity.unit())).append("</b><span>");
                    html.append(escape(theirs)).append("</span></div>\n");
                });
    }

    private void targets() {
        html.append("<h2>Targets</h2>\n<table>\n");
        for (CowTargets.Target target : CowTargets.judge(results, rounds)) {
            html.append("<tr><td class=\"").append(target.outcome()).append("\">");
            html.append(target.outcome().name().toLowerCase(Locale.ROOT)).append("</td><td>");
            html.append(escape(target.wanted())).append("</td><td>");
            html.append(escape(target.found())).append("</td></tr>\n");
        }
        html.append("</table>\n<p class=\"quiet\">open: the guest it is meant for was not");
        html.append(" measured, and the number is of the nearest one; or there were fewer than ");
        html.append(CowTargets.ROUNDS).append(" rounds.</p>\n");
    }

    private void charts() throws IOException {
        html.append("<h2>Charts</h2>\n<p class=\"quiet\">Logarithmic: a step is ten times.</p>\n");
        html.append("<div class=\"charts\">\n");
        for (CowCharts.Chart chart : CowCharts.of(results)) {
            html.append("<img alt=\"").append(escape(chart.title()));
            html.append("\" src=\"data:image/svg+xml;base64,");
            html.append(
                            Base64.getEncoder()
                                    .encodeToString(chart.svg().getBytes(StandardCharsets.UTF_8)))
                    .append("\"/>\n");
        }
        html.append("</div>\n");
    }

    private void rows() {
        html.append("<h2>All numbers</h2>\n<table>\n<tr><th>quantity</th><th>contender</th>");
        for (String column : List.of("p50", "p99", "max", "vmckpt p50 as part of it")) {
            html.append("<th class=\"n\">").append(column).append("</th>");
        }
        html.append("</tr>\n");
        for (BenchRow row : results.report("cow").rows()) {
            String quantity = row.name() + " [" + row.unit() + "]";
            html.append("<tr class=\"ours\">");
            cells(quantity, Samples.VMCKPT, row.vmckpt(), "");
            for (Map.Entry<String, Distribution> peer : row.peers().entrySet()) {
                html.append("<tr>");
                cells("", peer.getKey(), peer.getValue(), part(row.vmckpt(), peer.getValue()));
            }
        }
        html.append("</table>\n");
    }

    private void cells(String quantity, String contender, Distribution of, String part) {
        html.append("<td>").append(escape(quantity)).append("</td><td>");
        html.append(escape(contender)).append("</td>");
        for (String cell : List.of(number(of.p50()), number(of.p99()), number(of.max()), part)) {
            html.append("<td class=\"n\">").append(cell).append("</td>");
        }
        html.append("</tr>\n");
    }

    private static String part(Distribution ours, Distribution theirs) {
        return theirs.p50() <= 0
                ? ""
                : String.format(Locale.ROOT, "%.3f", ours.p50() / theirs.p50());
    }

    private void notes() {
        html.append("<h2>Notes</h2>\n<ul>\n");
        results.notes().forEach(note -> html.append("<li>").append(escape(note)).append("</li>\n"));
        html.append("</ul>\n");
    }

    private static String number(double value) {
        String form = Math.abs(value) < 1 ? "%.4f" : Math.abs(value) < 100 ? "%.2f" : "%.0f";
        return String.format(Locale.ROOT, form, value);
    }

    private static String escape(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;");
    }
}
