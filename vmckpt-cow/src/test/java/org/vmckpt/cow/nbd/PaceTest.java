package org.vmckpt.cow.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class PaceTest {
    private static final long FAST_NANOS = 5_000;
    private static final long SLOW_NANOS = 100_000;
    private static final long VERY_SLOW_NANOS = 5_000_000;
    private static final int BYTES = 4096;

    private final Pace pace = new Pace();

    private void took(long nanos, int count) {
        for (int i = 0; i < count; i++) {
            pace.tookRead(nanos, BYTES);
        }
    }

    @Test
    void slowRequestsAreGivenAwayUnlessTheyComeAlone() {
        took(FAST_NANOS, 100);
        assertThat(pace.isFast(false)).isTrue();
        took(SLOW_NANOS, 100);
        assertThat(pace.isFast(false)).isFalse();
        assertThat(pace.isFast(true)).isTrue();
    }

    @Test
    void aWriteMayTakeAsLongAsToCopyItsCluster() {
        for (int i = 0; i < 100; i++) {
            pace.tookWrite(SLOW_NANOS, BYTES);
        }
        assertThat(pace.isFast(false)).isTrue();
        for (int i = 0; i < 100; i++) {
            pace.tookWrite(2 * SLOW_NANOS, BYTES);
        }
        assertThat(pace.isFast(false)).isFalse();
    }

    @Test
    void nobodyComesBehindAVerySlowOne() {
        took(VERY_SLOW_NANOS, 2);
        assertThat(pace.isFast(true)).isFalse();
    }

    @Test
    void whatTheReaderHadToBeRelievedOfIsVerySlow() {
        pace.wasStuck();
        assertThat(pace.isFast(true)).isFalse();
    }

    @Test
    void aTrialFindsOutThatRequestsAreFastAgain() throws InterruptedException {
        assertThat(pace.isTrialDue()).isFalse();
        took(VERY_SLOW_NANOS, 3);
        while (!pace.isTrialDue()) {
            Thread.sleep(1);
        }
        pace.beginTrial(false);
        assertThat(pace.isFast(false)).as("put off").isFalse();
        assertThat(pace.isTrialDue()).isFalse();
        pace.beginTrial(true);
        assertThat(pace.isFast(false)).isTrue();
        took(VERY_SLOW_NANOS, 2);
        assertThat(pace.isFast(false)).as("they are not").isFalse();
    }
}
