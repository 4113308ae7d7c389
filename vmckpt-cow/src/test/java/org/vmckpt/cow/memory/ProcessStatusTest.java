package org.vmckpt.cow.memory;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class ProcessStatusTest {
    @Test
    void processHasEndedWhenItsLastThreadHas() {
        assertThat(ProcessStatus.hasEnded(List.of("State:\tS (sleeping)", "Threads:\t3")))
                .isFalse();
        assertThat(ProcessStatus.hasEnded(List.of("State:\tZ (zombie)", "Threads:\t2"))).isFalse();
        assertThat(ProcessStatus.hasEnded(List.of("State:\tZ (zombie)", "Threads:\t1"))).isTrue();
        assertThat(ProcessStatus.hasEnded(List.of())).isTrue();
    }

    @Test
    void ownProcessRunsAndOneThatNeverWasHasEnded() {
        assertThat(ProcessStatus.hasEnded(ProcessHandle.current().pid())).isFalse();
        assertThat(ProcessStatus.hasEnded(Integer.MAX_VALUE)).isTrue();
    }
}
