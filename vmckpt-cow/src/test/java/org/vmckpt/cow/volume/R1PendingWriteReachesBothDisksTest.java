package org.vmckpt.cow.volume;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;
import org.vmckpt.cow.volume.SlowVolume.Outcome;
import org.vmckpt.cow.volume.SlowVolume.Request;

/** R1: a write pending at the checkpoint reaches the checkpointed disk and the ongoing disk. */
final class R1PendingWriteReachesBothDisksTest {
    private static final byte MARK = 7;

    @Test
    void drainedItFinishesInTheFrozenLayerThatBothRead() throws Exception {
        try (SlowVolume slow = new SlowVolume()) {
            GatedFile.Gate gate = slow.file.gateWrites(0, 512);
            Request pending = slow.write(0, MARK, 512);
            gate.awaitWaiting(1);
            slow.fork();
            gate.open();
            assertThat(pending.outcome.get()).isEqualTo(Outcome.DONE);
            assertThat(slow.checkpointed(0)).isEqualTo(MARK);
            assertThat(slow.ongoing(0)).isEqualTo(MARK);
        }
    }

    @Test
    void reissuedItIsAnsweredAtOnceAndComesAgainOnBothSides() throws Exception {
        try (SlowVolume slow = new SlowVolume()) {
            GatedFile.Gate gate = slow.file.gateWrites(0, 512);
            Request pending = slow.write(0, MARK, 512);
            gate.awaitWaiting(1);
            assertThat(slow.volume.hold()).isEqualTo(1);
            assertThat(pending.outcome.get()).isEqualTo(Outcome.EIO);
            slow.fork();
            slow.volume.release();
            gate.open();
            Request again = slow.write(0, MARK, 512);
            assertThat(again.outcome.get()).isEqualTo(Outcome.DONE);
            assertThat(slow.ongoing(0)).isEqualTo(MARK);
            // The restored guest issues it on a layer of its own.
            try (OverlayDevice restored =
                    new OverlayDevice(slow.frozen(), SlowVolume.GROUP_BYTES)) {
                restored.write(ByteBuffer.wrap(new byte[] {MARK}), 0);
                ByteBuffer read = ByteBuffer.allocate(1);
                restored.read(read, 0);
                assertThat(read.get(0)).isEqualTo(MARK);
            }
        }
    }
}
