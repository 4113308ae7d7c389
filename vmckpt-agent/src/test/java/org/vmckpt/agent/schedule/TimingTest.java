package org.vmckpt.agent.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TimingTest {
    private static final Instant NOW = Instant.parse("2024-03-04T10:20:30Z");
    private static final ZoneId ZONE = ZoneId.of("Europe/Berlin");

    @Test
    void intervalsCountFromTheLastCheckpointAndMayBeLate() {
        Every every = new Every(Duration.ofHours(1));
        assertThat(every.nextAfter(Optional.empty(), NOW)).isEqualTo(NOW);
        assertThat(every.nextAfter(Optional.of(NOW.minusSeconds(60)), NOW))
                .isEqualTo(NOW.plusSeconds(3540));
        assertThat(every.nextAfter(Optional.of(NOW.minus(Duration.ofDays(1))), NOW)).isBefore(NOW);
    }

    @Test
    void cronIsInTheHostsTimeAndMadeUpForOnce() {
        Cron nightly = new Cron("30 3 * * *", ZONE);
        assertThat(nightly.nextAfter(Optional.empty(), NOW)).isEqualTo("2024-03-05T02:30:00Z");
        Instant late = nightly.nextAfter(Optional.of(Instant.parse("2024-03-01T02:30:00Z")), NOW);
        assertThat(late).isEqualTo("2024-03-02T02:30:00Z");
        assertThat(nightly.nextAfter(Optional.of(NOW), NOW)).isAfter(NOW);
    }

    @Test
    void cronIsRightWhenSummerTimeBegins() {
        Cron hourly = new Cron("0 * * * *", ZONE);
        assertThat(hourly.nextAfter(Optional.of(Instant.parse("2024-03-31T00:30:00Z")), NOW))
                .isEqualTo("2024-03-31T01:00:00Z");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "* * * *", "60 * * * *", "* * * * * *", "x", "0 0 30 2 *"})
    void otherFieldsAreRefused(String fields) {
        assertThatIllegalArgumentException().isThrownBy(() -> new Cron(fields, ZONE));
    }

    @Test
    void tooShortIntervalsAreRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> new Every(Duration.ofMillis(99)));
    }
}
