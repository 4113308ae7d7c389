package org.vmckpt.cow.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Proxy;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.junit.jupiter.api.Test;

class FullIoTest {
    private final Deque<Long> answers = new ArrayDeque<>();
    private long lastAddress;
    private long lastCount;
    private long lastOffset;

    /** System calls that give the answers of a script. */
    private final Syscalls scripted =
            (Syscalls)
                    Proxy.newProxyInstance(
                            Syscalls.class.getClassLoader(),
                            new Class<?>[] {Syscalls.class},
                            (proxy, method, arguments) -> {
                                lastAddress = (long) arguments[1];
                                lastCount = (long) arguments[2];
                                lastOffset = (long) arguments[3];
                                return answers.size() > 1 ? answers.remove() : answers.element();
                            });

    @Test
    void shortReadGoesOnWhereItStopped() {
        answers.addAll(List.of(10L, 90L));
        assertThat(FullIo.pread(scripted, 3, 1000, 100, 5000)).isEqualTo(100);
        assertThat(lastAddress).isEqualTo(1010);
        assertThat(lastCount).isEqualTo(90);
        assertThat(lastOffset).isEqualTo(5010);
    }

    @Test
    void interruptedReadIsRepeated() {
        answers.addAll(List.of((long) -Errno.EINTR, (long) -Errno.EINTR, 100L));
        assertThat(FullIo.pread(scripted, 3, 0, 100, 0)).isEqualTo(100);
    }

    @Test
    void readThatIsToBeTriedAgainIsTriedAgain() {
        answers.addAll(List.of((long) -Errno.EAGAIN, 100L));
        assertThat(FullIo.pread(scripted, 3, 0, 100, 0)).isEqualTo(100);
    }

    @Test
    void readThatNeverSucceedsEnds() {
        answers.add((long) -Errno.EAGAIN);
        assertThat(FullIo.pread(scripted, 3, 0, 100, 0)).isEqualTo(-Errno.EAGAIN);
    }

    @Test
    void readEndsAtTheEndOfTheFile() {
        answers.addAll(List.of(40L, 0L));
        assertThat(FullIo.pread(scripted, 3, 0, 100, 0)).isEqualTo(40);
    }

    @Test
    void errorOfAReadIsReturned() {
        answers.addAll(List.of(40L, (long) -Errno.EIO));
        assertThat(FullIo.pread(scripted, 3, 0, 100, 0)).isEqualTo(-Errno.EIO);
    }

    @Test
    void shortAndInterruptedWritesAreCompleted() {
        answers.addAll(List.of(1L, (long) -Errno.EINTR, (long) -Errno.EAGAIN, 99L));
        assertThat(FullIo.pwrite(scripted, 3, 0, 100, 0)).isEqualTo(100);
        assertThat(lastOffset).isEqualTo(1);
    }

    @Test
    void writeThatMakesNoProgressIsAnError() {
        answers.add(0L);
        assertThat(FullIo.pwrite(scripted, 3, 0, 100, 0)).isEqualTo(-Errno.EIO);
    }

    @Test
    void fullDiskEndsAWrite() {
        answers.addAll(List.of(4L, (long) -Errno.ENOSPC));
        assertThat(FullIo.pwrite(scripted, 3, 0, 100, 0)).isEqualTo(-Errno.ENOSPC);
    }
}
