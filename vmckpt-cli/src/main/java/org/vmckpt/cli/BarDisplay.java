package org.vmckpt.cli;

import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/** Progress as a bar per phase, for terminals. */
final class BarDisplay implements ProgressDisplay {
    private static final int UPDATE_MILLIS = 200;
    private static final int DEFAULT_COLUMNS = 80;
    private static final long MEBIBYTE = 1 << 20;

    private final PrintStream out;
    // This object's lock guards what follows.
    private String phase = "";
    private @Nullable ProgressBar bar;

    BarDisplay(OutputStream out) {
        this.out = new PrintStream(out, true, StandardCharsets.UTF_8);
    }

    @Override
    public synchronized void update(String newPhase, long done, long total, String unit) {
        if (!newPhase.equals(phase)) {
            close();
            phase = newPhase;
            // A phase of unknown size has no use for a bar.
            if (total < 0) {
                out.println(newPhase);
            } else {
                bar = newBar(newPhase, total, unit);
            }
        }
        if (bar != null && total >= 0) {
            bar.maxHint(total);
            bar.stepTo(done);
        }
    }

    private ProgressBar newBar(String task, long total, String unit) {
        ProgressBarBuilder builder =
                new ProgressBarBuilder()
                        .setTaskName(task)
                        .setInitialMax(total)
                        .setUpdateIntervalMillis(UPDATE_MILLIS)
                        .setStyle(ProgressBarStyle.ASCII)
                        // A width of our own: asking the terminal would load JLine's native parts.
                        .setConsumer(new ConsoleProgressBarConsumer(out, columns()));
        if (ProgressDisplay.isBytes(unit)) {
            builder.setUnit(" MiB", MEBIBYTE);
        } else {
            builder.setUnit(" " + unit, 1);
        }
        return builder.build();
    }

    private static int columns() {
        String columns = System.getenv("COLUMNS");
        return columns != null && columns.matches("[1-9]\\d{1,3}")
                ? Integer.parseInt(columns)
                : DEFAULT_COLUMNS;
    }

    @Override
    public synchronized void close() {
        if (bar != null) {
            bar.close();
            bar = null;
        }
    }
}
