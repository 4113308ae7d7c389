package org.vmckpt.cow.volume;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.volume.LayerStates.LayerState;

/** A number of a frozen layer's content outlives the file that held it. */
final class ContentsTest {
    private static final int CLUSTER = 64 << 10;

    @TempDir private Path folder;

    private static List<Long> numbers(OpenVolume open) {
        return open.layers().layers().stream().map(LayerState::content).toList();
    }

    private static void writeAndFork(OpenVolume open, int cluster, Optional<String> owner)
            throws Exception {
        new VolumeClient(open.volume()).write((long) cluster * CLUSTER, new byte[] {1});
        open.fork(owner);
    }

    private VolumeFolder create() throws VmckptException {
        return VolumeCreator.create(
                folder.resolve("v"),
                Optional.empty(),
                Optional.empty(),
                OptionalLong.of(16 * CLUSTER),
                CLUSTER);
    }

    @Test
    void aParentIntoWhichALayerWasFoldedHasItsNumber() throws Exception {
        VolumeFolder made = create();
        try (OpenVolume open = OpenVolume.open(made, Optional.empty())) {
            assertThat(numbers(open)).containsExactly(0L);
            writeAndFork(open, 1, Optional.empty());
            writeAndFork(open, 2, Optional.empty());
            writeAndFork(open, 3, Optional.of("checkpoint-1"));
            List<Long> before = numbers(open);
            assertThat(before).hasSize(4).doesNotHaveDuplicates().endsWith(0L);

            assertThat(open.commit(Throttle.unlimited())).as("the hold keeps all").isZero();
            assertThat(numbers(open)).isEqualTo(before);

            made.removeHolds("checkpoint-1");
            assertThat(open.commit(Throttle.unlimited())).isEqualTo(2);
            assertThat(numbers(open)).containsExactly(before.get(2), 0L);
        }
    }

    @Test
    void anotherProcessCountsAnew() throws Exception {
        VolumeFolder made = create();
        long session;
        try (OpenVolume open = OpenVolume.open(made, Optional.empty())) {
            writeAndFork(open, 1, Optional.empty());
            session = open.layers().session();
        }
        try (OpenVolume open = OpenVolume.open(made, Optional.empty())) {
            assertThat(open.layers().session()).isNotEqualTo(session);
            assertThat(numbers(open)).hasSize(2).endsWith(0L).doesNotHaveDuplicates();
        }
    }
}
