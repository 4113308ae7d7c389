package org.vmckpt.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.time.Duration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HumanFormsTest {
    @ParameterizedTest
    @CsvSource({
        "0, 0 B",
        "1023, 1023 B",
        "1024, 1 KiB",
        "1536, 1.5 KiB",
        "536870912, 512 MiB",
        "1048575, 1.0 MiB",
        "1073741823, 1.0 GiB",
        "9223372036854775807, 8 EiB"
    })
    void sizesAreFormattedInTheLargestFittingUnit(long bytes, String text) {
        assertThat(HumanSize.format(bytes)).isEqualTo(text);
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "4096, 4096", "64M, 67108864", "64MiB, 67108864", "1.5g, 1610612736"})
    void sizesAreReadWithBinaryUnits(String text, long bytes) {
        assertThat(HumanSize.parse(text)).isEqualTo(bytes);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "M", "-1", "64Q", "1e9", "8EiB", "99999999999999999999"})
    void otherSizesAreRefused(String text) {
        assertThatExceptionOfType(IllegalArgumentException.class)
                .isThrownBy(() -> HumanSize.parse(text))
                .withMessageContaining("'" + text + "'");
    }

    @ParameterizedTest
    @CsvSource({
        "PT0.0000045S, 4.50 µs",
        "PT0.0035S, 3.50 ms",
        "PT0.4S, 400 ms",
        "PT12.3S, 12.3 s",
        "PT80S, 1 min 20 s",
        "PT7500S, 2 h 5 min"
    })
    void durationsAreFormattedInTheLargestFittingUnit(Duration duration, String text) {
        assertThat(HumanDuration.format(duration)).isEqualTo(text);
    }

    @ParameterizedTest
    @CsvSource({
        "5s, PT5S",
        "500ms, PT0.5S",
        "1.5 s, PT1.5S",
        "2min, PT2M",
        "2m, PT2M",
        "1h, PT1H",
        "7d, PT168H"
    })
    void durationsAreReadWithTheirUnit(String text, Duration duration) {
        assertThat(HumanDuration.parse(text)).isEqualTo(duration);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "5", "s", "-5s", "5 days", "99999999999h"})
    void otherDurationsAreRefused(String text) {
        assertThatExceptionOfType(IllegalArgumentException.class)
                .isThrownBy(() -> HumanDuration.parse(text))
                .withMessageContaining("'" + text + "'");
    }
}
