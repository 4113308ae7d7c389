package org.vmckpt.cow.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;

class IdleThreadsTest {
    private static final String NAME = "vmckpt-nap";
    private static final int NICENESS = 7;

    @Test
    void threadIsIdleForAMomentAndThenAsItWas() throws Exception {
        CountDownLatch ready = new CountDownLatch(1);
        CountDownLatch end = new CountDownLatch(1);
        int[] tid = new int[1];
        Thread thread =
                Thread.ofPlatform()
                        .name(NAME)
                        .start(() -> {
                            tid[0] = (int) FfmSyscalls.INSTANCE.gettid();
                            ThreadPriority.trySetNicenessOfThisThread(NICENESS);
                            ready.countDown();
                            awaitQuietly(end);
                        });
        ready.await();
        try {
            IdleThreads idle = IdleThreads.named(List.of(NAME), NICENESS);
            assertThat(policy(tid[0])).isEqualTo(Abi.SCHED_OTHER);
            idle.begin();
            // Only whoever may take it back makes it idle.
            int expected = mayBeLessNice() ? Abi.SCHED_IDLE : Abi.SCHED_OTHER;
            assertThat(policy(tid[0])).isEqualTo(expected);
            idle.end();
            assertThat(policy(tid[0])).isEqualTo(Abi.SCHED_OTHER);
            assertThat(field(tid[0], 19)).isEqualTo(NICENESS);
        } finally {
            end.countDown();
            thread.join();
        }
    }

    private static boolean mayBeLessNice() throws Exception {
        boolean[] may = new boolean[1];
        Thread thread =
                Thread.ofPlatform()
                        .start(() -> may[0] = ThreadPriority.trySetNicenessOfThisThread(-1));
        thread.join();
        return may[0];
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static int policy(int tid) throws Exception {
        return field(tid, 41);
    }

    /** Of proc_pid_stat(5), counted from 1; the name of the thread has no space. */
    private static int field(int tid, int number) throws Exception {
        Path stat = Path.of("/proc/self/task/" + tid + "/stat");
        return Integer.parseInt(Files.readString(stat).split(" ", -1)[number - 1]);
    }
}
