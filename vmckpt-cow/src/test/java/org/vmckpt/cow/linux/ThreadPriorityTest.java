package org.vmckpt.cow.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

class ThreadPriorityTest {
    private static final int USUAL = 0;

    @Test
    void threadsThatEndMeanwhileAreNoFailure() throws Exception {
        AtomicBoolean done = new AtomicBoolean();
        Thread starter =
                Thread.ofPlatform()
                        .start(() -> {
                            while (!done.get()) {
                                Thread.ofPlatform().start(() -> {});
                            }
                        });
        try {
            for (int attempt = 0; attempt < 200; attempt++) {
                assertThat(
                                ThreadPriority.trySetNicenessOfProcess(
                                        ProcessHandle.current().pid(), USUAL))
                        .as("attempt %d", attempt)
                        .isTrue();
            }
        } finally {
            done.set(true);
            starter.join();
        }
    }

    @Test
    void processThatDoesNotExistIsAFailure() {
        assertThat(ThreadPriority.trySetNicenessOfProcess(Integer.MAX_VALUE, USUAL)).isFalse();
        assertThat(ThreadPriority.trySetNicenessOfSession(Integer.MAX_VALUE, USUAL)).isFalse();
    }
}
