package org.vmckpt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class ProgressDisplayTest {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    @Test
    void linesNameEachPhaseOnceWithItsSize() {
        try (ProgressDisplay display = new LineDisplay(Session.writer(out))) {
            display.update("prepare", 0, -1, "");
            for (long done = 0; done <= 2048; done++) {
                display.update("verify", done << 20, 2L << 30, "bytes");
            }
        }

        assertThat(text().lines()).containsExactly("vmckpt: prepare", "vmckpt: verify (2 GiB)");
    }

    @Test
    void barsFollowOnePhaseAfterTheOther() {
        try (ProgressDisplay display = new BarDisplay(out)) {
            display.update("prepare", 0, -1, "");
            display.update("store memory", 0, 512 << 20, "B");
            display.update("store memory", 512 << 20, 512 << 20, "B");
            display.update("copy disk", 5, 10, "clusters");
        }

        assertThat(text())
                .contains("prepare", "store memory", "512/512 MiB", "copy disk", "5/10 clusters");
    }

    @Test
    void sizesAreShownAsSizesAndCountsAsCounts() {
        assertThat(ProgressDisplay.amount(4096, "bytes")).isEqualTo("4 KiB");
        assertThat(ProgressDisplay.amount(4096, "B")).isEqualTo("4 KiB");
        assertThat(ProgressDisplay.amount(12, "blocks")).isEqualTo("12 blocks");
    }

    private String text() {
        return out.toString(StandardCharsets.UTF_8);
    }
}
