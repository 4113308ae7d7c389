package org.vmckpt.testvm.bench;

import java.awt.Color;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.VectorGraphicsEncoder;
import org.knowm.xchart.VectorGraphicsEncoder.VectorGraphicsFormat;
import org.knowm.xchart.style.Styler.LegendLayout;
import org.knowm.xchart.style.Styler.LegendPosition;

/** The charts of a report, as SVG documents. Medians of the rounds, on logarithmic axes. */
final class CowCharts {
    record Chart(String title, String svg) {}

    /** One bar of each contender for each point of the horizontal axis. */
    private record Point(String label, long memoryBytes, String state, CowQuantity quantity) {}

    private record Contender(String name, Color color) {}

    private static final List<Contender> CONTENDERS =
            List.of(
                    new Contender(Samples.VMCKPT, new Color(0x1b7f5c)),
                    new Contender(IncrementalRounds.FULL, new Color(0x9bd3bd)),
                    new Contender("qemu background-snapshot", new Color(0xe08214)),
                    new Contender("qemu stop-and-migrate", new Color(0xb2182b)),
                    new Contender(Undisturbed.NAME, new Color(0xa0a7ad)));
    private static final List<CowQuantity> STALLS =
            List.of(
                    CowQuantity.STALL_P50,
                    CowQuantity.STALL_P99,
                    CowQuantity.STALL_P999,
                    CowQuantity.STALL_LONGEST);

    private final CowResults results;

    private CowCharts(CowResults results) {
        this.results = results;
    }

    static List<Chart> of(CowResults results) throws IOException {
        // Without this, a machine that has no display may refuse to draw at all.
        System.setProperty("java.awt.headless", "true");
        CowCharts charts = new CowCharts(results);
        List<Chart> all = new ArrayList<>();
        for (CowLoad load : List.of(CowLoad.FAST, CowLoad.RANDOM)) {
            charts.draw("Pause by memory, " + load.label(), "ms", charts.bySize(load))
                    .ifPresent(all::add);
        }
        for (long size : results.memorySizes()) {
            String guest = GuestKind.size(size);
            charts.draw("Stalls, " + guest + ", random writes", "us", stalls(size))
                    .ifPresent(all::add);
            charts.draw("Copy window by load, " + guest, "ms", byLoad(size, CowQuantity.WINDOW))
                    .ifPresent(all::add);
            charts.draw(
                            "Copy window by dirty share, " + guest,
                            "ms",
                            byShare(size, CowQuantity.WINDOW))
                    .ifPresent(all::add);
            charts.draw("Stored by dirty share, " + guest, "MiB", byShare(size, CowQuantity.BYTES))
                    .ifPresent(all::add);
        }
        return all;
    }

    private List<Point> bySize(CowLoad load) {
        return results.memorySizes().stream()
                .map(size -> new Point(GuestKind.size(size), size, load.label(), CowQuantity.PAUSE))
                .toList();
    }

    private static List<Point> stalls(long size) {
        return STALLS.stream()
                .map(quantity ->
                        new Point(quantity.label(), size, CowLoad.RANDOM.label(), quantity))
                .toList();
    }

    private static List<Point> byLoad(long size, CowQuantity quantity) {
        return Arrays.stream(CowLoad.values())
                .map(load -> new Point(load.label(), size, load.label(), quantity))
                .toList();
    }

    private static List<Point> byShare(long size, CowQuantity quantity) {
        return Arrays.stream(DirtyShare.values())
                .map(share -> new Point(share.label(), size, share.state(), quantity))
                .toList();
    }

    /** None when nothing of it was measured. */
    private Optional<Chart> draw(String title, String unit, List<Point> points) throws IOException {
        CategoryChart chart =
                new CategoryChartBuilder()
                        .width(620)
                        .height(340)
                        .title(title)
                        .yAxisTitle(unit)
                        .build();
        List<Color> colors = new ArrayList<>();
        double least = Double.MAX_VALUE;
        double most = 0;
        for (Contender contender : CONTENDERS) {
            List<@Nullable Double> values =
                    points.stream().map(point -> value(point, contender)).toList();
            for (Double value : values) {
                if (value != null) {
                    least = Math.min(least, value);
                    most = Math.max(most, value);
                }
            }
            if (values.stream().anyMatch(value -> value != null)) {
                chart.addSeries(
                        contender.name(), points.stream().map(Point::label).toList(), values);
                colors.add(contender.color());
            }
        }
        if (colors.isEmpty()) {
            return Optional.empty();
        }
        style(chart, colors, least, most);
        ByteArrayOutputStream svg = new ByteArrayOutputStream();
        VectorGraphicsEncoder.saveVectorGraphic(chart, svg, VectorGraphicsFormat.SVG);
        return Optional.of(new Chart(title, withoutProlog(svg.toString(StandardCharsets.UTF_8))));
    }

    /** The prolog names a document type by its address, which some programs would fetch. */
    private static String withoutProlog(String svg) {
        return svg.substring(svg.indexOf("<svg"));
    }

    private @Nullable Double value(Point point, Contender contender) {
        return results.find(
                        point.memoryBytes(),
                        point.state(),
                        point.quantity().label(),
                        contender.name())
                .map(Distribution::p50)
                .filter(median -> median > 0) // a logarithm has no place for it
                .orElse(null);
    }

    private static void style(CategoryChart chart, List<Color> colors, double least, double most) {
        chart.getStyler()
                .setYAxisLogarithmic(true)
                .setYAxisMin(Math.pow(10, Math.floor(Math.log10(least) - 0.1)))
                .setYAxisMax(Math.pow(10, Math.ceil(Math.log10(most) + 0.1)))
                .setPlotGridVerticalLinesVisible(false)
                .setSeriesColors(colors.toArray(Color[]::new))
                .setChartBackgroundColor(Color.WHITE)
                .setLegendPosition(LegendPosition.OutsideS)
                .setLegendBorderColor(Color.WHITE);
        chart.getStyler().setLegendLayout(LegendLayout.Horizontal);
        chart.getStyler().setLabelsVisible(true);
        chart.getStyler().setLabelsPosition(1);
    }
}
