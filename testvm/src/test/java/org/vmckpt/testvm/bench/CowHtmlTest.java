package org.vmckpt.testvm.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.vmckpt.testvm.bench.CowTargets.Outcome;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

final class CowHtmlTest {
    private static final long MIB = 1L << 20;
    private static final String DATA = "data:image/svg+xml;base64,";
    private static final Pattern CHART = Pattern.compile(Pattern.quote(DATA) + "([^\"]+)");

    @Test
    void pageIsWellFormedAndNeedsNoOtherFile() throws Exception {
        String html = CowHtml.render(results(2048 * MIB, 5), 20);

        // Without the charts: the parser takes minutes for attributes of their length.
        Document page =
                parse(CHART.matcher(html).replaceAll(DATA).getBytes(StandardCharsets.UTF_8));
        assertThat(references(page)).isNotEmpty().allMatch(value -> value.equals(DATA));
        assertThat(CHART.matcher(html).replaceAll(DATA))
                .doesNotContain("@import", "url(", "<script", "<link");
        for (MatchResult found : CHART.matcher(html).results().toList()) {
            Document chart = parse(Base64.getDecoder().decode(found.group(1)));
            assertThat(chart.getDocumentElement().getTagName()).isEqualTo("svg");
            assertThat(chart.getDoctype()).isNull();
            assertThat(references(chart)).allMatch(value -> value.startsWith("#"));
        }
    }

    @Test
    void pageShowsChartsVerdictsNumbersAndNotes() throws Exception {
        String html = CHART.matcher(CowHtml.render(results(2048 * MIB, 5), 20)).replaceAll(DATA);

        assertThat(html)
                .containsSubsequence(
                        "Medians of 20 rounds",
                        "Targets",
                        "class=\"MET\"",
                        "alt=\"Pause by memory, 1000 MB/s\"",
                        "alt=\"Stalls, 2 GiB, random writes\"",
                        "alt=\"Stored by dirty share, 2 GiB\"",
                        "2 GiB, random writes: pause [ms]",
                        "less &lt; more");
    }

    @Test
    void targetIsMetMissedOrOpen() {
        assertThat(outcome(results(2048 * MIB, 5), "copy window")).isEqualTo(Outcome.MET);
        assertThat(outcome(results(2048 * MIB, 11), "copy window")).isEqualTo(Outcome.MISSED);
        assertThat(outcome(results(256 * MIB, 5), "copy window")).isEqualTo(Outcome.OPEN);
        assertThat(outcome(new CowResults(List.of(), List.of()), "copy window"))
                .isEqualTo(Outcome.OPEN);
        assertThat(CowTargets.judge(results(2048 * MIB, 5), 19))
                .allMatch(target -> target.outcome() == Outcome.OPEN);
    }

    private static Outcome outcome(CowResults results, String start) {
        return CowTargets.judge(results, 20).stream()
                .filter(target -> target.wanted().startsWith(start))
                .findFirst()
                .orElseThrow()
                .outcome();
    }

    /** Every number of vmckpt is the given one, and every one of its peers 100. */
    private static CowResults results(long memoryBytes, double ours) {
        List<CowResults.Cell> cells = new ArrayList<>();
        for (CowLoad load : CowLoad.values()) {
            cells.add(cell(memoryBytes, load.label(), "qemu background-snapshot", ours));
        }
        for (DirtyShare share : DirtyShare.values()) {
            cells.add(cell(memoryBytes, share.state(), IncrementalRounds.FULL, ours));
        }
        return new CowResults(cells, List.of("less < more"));
    }

    private static CowResults.Cell cell(long memoryBytes, String state, String peer, double ours) {
        Samples samples = new Samples();
        for (CowQuantity quantity : CowQuantity.values()) {
            samples.add(quantity.label(), quantity.unit(), Samples.VMCKPT, ours);
            samples.add(quantity.label(), quantity.unit(), peer, 100);
        }
        return new CowResults.Cell(memoryBytes, state, samples);
    }

    /** Of every attribute that makes a browser fetch something. */
    private static List<String> references(Document document) {
        List<String> values = new ArrayList<>();
        NodeList elements = document.getElementsByTagName("*");
        for (int i = 0; i < elements.getLength(); i++) {
            Element element = (Element) elements.item(i);
            for (String name : List.of("src", "href", "xlink:href", "data", "srcset")) {
                if (element.hasAttribute(name)) {
                    values.add(element.getAttribute(name));
                }
            }
        }
        return values;
    }

    private static Document parse(byte[] xml) throws Exception {
        return DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new ByteArrayInputStream(xml));
    }
}
