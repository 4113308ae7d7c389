package org.vmckpt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class StatisticsTest {
    @Test
    void statisticsAreLabelledAndFormattedByTheUnitInTheirKey() {
        assertThat(Statistics.label("copyWindowMicros")).isEqualTo("Copy window");
        assertThat(Statistics.text("copyWindowMicros", 48_000)).isEqualTo("48.0 ms");
        assertThat(Statistics.label("cowFaults")).isEqualTo("COW faults");
        assertThat(Statistics.text("cowFaults", 12_345)).isEqualTo("12,345");
        assertThat(Statistics.text("storedBytes", 1 << 20)).isEqualTo("1 MiB");
        assertThat(Statistics.label("Bytes")).isEqualTo("Bytes");
    }
}
