package org.vmckpt.cow.volume;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.vmckpt.cow.volume.SlowVolume.Request;

/** What a flush after a fork owes to what was written before it. */
final class FlushTest {
    private static final byte MARK = 1;

    @Test
    void itSyncsTheFrozenLayerToo() throws Exception {
        try (SlowVolume slow = new SlowVolume()) {
            slow.write(0, MARK, 512).outcome.get();
            slow.fork();
            slow.volume.flush();
            assertThat(slow.file.syncs()).isEqualTo(1);
            slow.volume.flush();
            assertThat(slow.file.syncs()).as("nothing new was written there").isEqualTo(1);
        }
    }

    @Test
    void aWriteThatEndsInTheFrozenLayerAfterTheForkIsSyncedByTheNextFlush() throws Exception {
        try (SlowVolume slow = new SlowVolume()) {
            GatedFile.Gate gate = slow.file.gateWrites(0, 512);
            Request pending = slow.write(0, MARK, 512);
            gate.awaitWaiting(1);
            slow.fork();
            slow.volume.flush();
            assertThat(slow.file.syncs()).isZero();
            gate.open();
            pending.outcome.get();
            slow.volume.flush();
            assertThat(slow.file.syncs()).isEqualTo(1);
        }
    }

    @Test
    void itMakesTheForkItselfDurableFirstAndOnce() throws Exception {
        try (SlowVolume slow = new SlowVolume()) {
            AtomicInteger saved = new AtomicInteger();
            Layer layer =
                    new Layer(
                            new OverlayDevice(slow.frozen(), SlowVolume.GROUP_BYTES),
                            SlowVolume.GROUP_BYTES);
            slow.volume.fork(layer, () -> failOnce(saved));
            try {
                slow.volume.flush();
            } catch (IOException expected) {
                assertThat(expected).hasMessage("disk full");
            }
            slow.volume.flush();
            slow.volume.flush();
            assertThat(saved).hasValue(2);
        }
    }

    private static void failOnce(AtomicInteger calls) throws IOException {
        if (calls.incrementAndGet() == 1) {
            throw new IOException("disk full");
        }
    }
}
