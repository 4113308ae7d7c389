package org.vmckpt.cow.volume;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.vmckpt.cow.volume.SlowVolume.Outcome;
import org.vmckpt.cow.volume.SlowVolume.Request;

/** R2: a write issued after the checkpoint reaches only the ongoing disk. */
final class R2NewWriteReachesOnlyTheOngoingDiskTest {
    @Test
    void itGoesToTheNewLayer() throws Exception {
        try (SlowVolume slow = new SlowVolume()) {
            byte before = 1;
            byte after = 2;
            slow.write(0, before, 4096).outcome.get();
            slow.fork();
            Request write = slow.write(0, after, 512);
            assertThat(write.outcome.get()).isEqualTo(Outcome.DONE);
            assertThat(slow.checkpointed(0)).isEqualTo(before);
            assertThat(slow.ongoing(0)).isEqualTo(after);
            assertThat(slow.ongoing(512)).isEqualTo(before);
        }
    }
}
