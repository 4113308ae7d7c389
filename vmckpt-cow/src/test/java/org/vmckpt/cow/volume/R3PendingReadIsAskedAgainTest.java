package org.vmckpt.cow.volume;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.vmckpt.cow.volume.SlowVolume.Outcome;
import org.vmckpt.cow.volume.SlowVolume.Request;

/** R3: a read pending at the checkpoint lands in checkpointed and in ongoing memory. */
final class R3PendingReadIsAskedAgainTest {
    private static final byte MARK = 9;

    @Test
    void reissuedItIsAnsweredWithNoDataAndBothReadTheSame() throws Exception {
        try (SlowVolume slow = new SlowVolume()) {
            slow.write(0, MARK, 4096).outcome.get();
            GatedFile.Gate gate = slow.file.gate(it -> it.kind().equals("read"));
            Request pending = slow.read(0, 512);
            gate.awaitWaiting(1);
            slow.volume.hold();
            assertThat(pending.outcome.get()).isEqualTo(Outcome.EIO);
            Request arriving = slow.read(0, 512);
            assertThat(arriving.outcome.get()).isEqualTo(Outcome.EIO);
            slow.fork();
            slow.volume.release();
            gate.open();
            assertThat(slow.ongoing(0)).isEqualTo(MARK);
            assertThat(slow.checkpointed(0)).isEqualTo(MARK);
        }
    }

    @Test
    void drainedItFinishesWithWhatWasThere() throws Exception {
        try (SlowVolume slow = new SlowVolume()) {
            slow.write(0, MARK, 4096).outcome.get();
            GatedFile.Gate gate = slow.file.gate(it -> it.kind().equals("read"));
            Request pending = slow.read(0, 512);
            gate.awaitWaiting(1);
            slow.fork();
            gate.open();
            assertThat(pending.outcome.get()).isEqualTo(Outcome.DONE);
            assertThat(pending.buffer.get(0)).isEqualTo(MARK);
        }
    }
}
