package org.vmckpt.cow.volume;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.vmckpt.cow.volume.SlowVolume.Outcome;
import org.vmckpt.cow.volume.SlowVolume.Request;

/**
 * R5: a new write waits for a pending one to the same block group, which an older layer applies.
 */
final class R5NewWriteWaitsForPendingWriteTest {
    private static final byte OLD = 3;
    private static final byte NEW = 4;
    private static final int GROUP = SlowVolume.GROUP_BYTES;

    @Test
    void onlyThatGroupWaitsAndTheDataIsRight() throws Exception {
        try (SlowVolume slow = new SlowVolume()) {
            GatedFile.Gate gate = slow.file.gateWrites(0, 512);
            Request pending = slow.write(0, OLD, 512);
            gate.awaitWaiting(1);
            slow.fork();
            Request sameGroup = slow.write(1024, NEW, 512);
            assertThat(sameGroup.waited).isTrue();
            Request otherGroup = slow.write(GROUP, NEW, 512);
            assertThat(otherGroup.outcome.get()).isEqualTo(Outcome.DONE);
            assertThat(slow.ongoing(2048)).isZero();
            assertThat(sameGroup.outcome).isNotDone();
            gate.open();
            assertThat(sameGroup.outcome.get()).isEqualTo(Outcome.DONE);
            assertThat(pending.outcome.get()).isEqualTo(Outcome.DONE);
            // Without the rule the group would have been copied up before the old write was there.
            assertThat(slow.ongoing(0)).isEqualTo(OLD);
            assertThat(slow.ongoing(1024)).isEqualTo(NEW);
            assertThat(slow.checkpointed(0)).isEqualTo(OLD);
            assertThat(slow.checkpointed(1024)).isZero();
        }
    }

    @Test
    void anAbandonedWriteNeverLandsOnWhatWasWrittenLater() throws Exception {
        try (SlowVolume slow = new SlowVolume()) {
            GatedFile.Gate gate =
                    slow.file.gate(
                            new Predicate<>() {
                                private boolean first = true;

                                @Override
                                public boolean test(GatedFile.Operation operation) {
                                    boolean result = first && operation.kind().equals("write");
                                    first &= !result;
                                    return result;
                                }
                            });
            Request abandoned = slow.write(0, OLD, 512);
            gate.awaitWaiting(1);
            slow.volume.hold();
            slow.volume.release();
            assertThat(abandoned.outcome.get()).isEqualTo(Outcome.EIO);
            Request later = slow.write(0, NEW, 512);
            assertThat(later.waited).isTrue();
            gate.open();
            abandoned.landed.get();
            assertThat(later.outcome.get()).isEqualTo(Outcome.DONE);
            assertThat(slow.ongoing(0)).isEqualTo(NEW);
        }
    }

    @Test
    void aWaitingWriteIsAnsweredByAHold() throws Exception {
        try (SlowVolume slow = new SlowVolume()) {
            GatedFile.Gate gate = slow.file.gateWrites(0, 512);
            Request pending = slow.write(0, OLD, 512);
            gate.awaitWaiting(1);
            slow.fork();
            Request waiting = slow.write(0, NEW, 512);
            assertThat(waiting.waited).isTrue();
            assertThat(slow.volume.hold()).isEqualTo(2);
            assertThat(waiting.outcome.get()).isEqualTo(Outcome.EIO);
            slow.volume.release();
            gate.open();
            pending.landed.get();
            assertThat(slow.ongoing(0)).isEqualTo(OLD);
            assertThat(slow.volume.ledger().pending()).isZero();
        }
    }
}
