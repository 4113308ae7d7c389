package org.vmckpt.cow.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.TransportException;

class BesideTest {
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final Duration AT_ONCE = Duration.ofMillis(1);

    @Test
    void workIsDoneOnceItIsBegunByAThreadThatIsThereBefore() throws Exception {
        AtomicInteger done = new AtomicInteger();
        try (Beside beside = Beside.prepare("beside-test", "all is done", done::incrementAndGet)) {
            assertThatThrownBy(() -> beside.awaitEnd(AT_ONCE))
                    .isInstanceOf(TransportException.class)
                    .hasMessageContaining("all is done");
            assertThat(done).hasValue(0);
            long begun = System.nanoTime();
            beside.begin();
            assertThat(beside.awaitEnd(SOON) - begun).isPositive();
            assertThat(done).hasValue(1);
        }
    }

    @Test
    void whatIsNotBegunIsNotDone() {
        AtomicInteger done = new AtomicInteger();
        Beside.prepare("beside-test", "all is done", done::incrementAndGet).close();
        assertThat(done).hasValue(0);
    }

    @Test
    void closingWaitsForWhatWasBegun() throws Exception {
        CountDownLatch goOn = new CountDownLatch(1);
        AtomicInteger done = new AtomicInteger();
        Beside beside =
                Beside.prepare(
                        "beside-test",
                        "all is done",
                        () -> {
                            awaitQuietly(goOn);
                            done.incrementAndGet();
                        });
        beside.begin();
        Thread closing = Thread.ofPlatform().start(beside::close);
        assertThat(closing.join(Duration.ofMillis(50))).isFalse();
        goOn.countDown();
        assertThat(closing.join(SOON)).isTrue();
        assertThat(done).hasValue(1);
    }

    @Test
    void itsFailureIsTheFailureOfWhoeverWaits() {
        RefusedException failure = new RefusedException("it cannot be");
        try (Beside beside =
                Beside.prepare(
                        "beside-test",
                        "all is done",
                        () -> {
                            throw failure;
                        })) {
            beside.begin();
            assertThatThrownBy(() -> beside.awaitEnd(SOON)).isSameAs(failure);
        }
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
