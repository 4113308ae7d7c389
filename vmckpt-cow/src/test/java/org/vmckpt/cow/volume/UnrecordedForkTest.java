package org.vmckpt.cow.volume;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A fork writes no file: what is left of it, from step to step, if the process is killed. */
final class UnrecordedForkTest {
    private static final int SIZE = 2 << 20;

    @TempDir private Path folder;

    private VolumeFolder made;

    @BeforeEach
    void create() throws Exception {
        made =
                VolumeCreator.create(
                        folder.resolve("v"),
                        Optional.empty(),
                        Optional.empty(),
                        OptionalLong.of(SIZE),
                        16 << 10);
    }

    private OpenVolume open() throws Exception {
        return OpenVolume.open(made, Optional.empty());
    }

    /** A volume with one written layer, and the next one made. */
    private OpenVolume prepared() throws Exception {
        OpenVolume open = open();
        write(open, 1);
        open.prepare();
        return open;
    }

    private static void write(OpenVolume open, int value) throws Exception {
        new VolumeClient(open.volume()).write(0, new byte[] {(byte) value});
    }

    private static int read(OpenVolume open) throws Exception {
        return new VolumeClient(open.volume()).read(0, 1)[0];
    }

    private String description() throws Exception {
        return Files.readString(made.descriptionFile());
    }

    private static List<String> names(OpenVolume open) {
        return open.files().stream().map(it -> it.getFileName().toString()).toList();
    }

    @Test
    void aForkIsInMemoryUntilItIsRecorded() throws Exception {
        try (OpenVolume open = open()) {
            assertThat(description()).contains("\"version\" : 1").doesNotContain("layer-1");
            open.prepare("checkpoint-1");
            String before = description();
            assertThat(before).contains("\"version\" : 2", "\"next\"", "layer-1");
            assertThat(open.fork(Optional.of("checkpoint-1")).active())
                    .hasFileName("layer-1.qcow2");
            assertThat(description()).isEqualTo(before);
            assertThat(names(open)).containsExactly("layer-0.qcow2", "layer-1.qcow2");
            open.volume().flush();
            assertThat(description()).contains("\"version\" : 1", "layer-1");
            open.prepare();
        }
        assertThat(description()).contains("\"version\" : 1", "layer-1").doesNotContain("layer-2");
        assertThat(made.stagedFile()).doesNotExist();
    }

    @Test
    void aPreparedLayerThatWasNotUsedIsDroppedAfterAKill() throws Exception {
        KilledVolume.kill(prepared());
        assertThat(VolumeInfo.of(made).layers()).hasSize(1);
        try (OpenVolume open = open()) {
            assertThat(names(open)).containsExactly("layer-0.qcow2");
            assertThat(made.path().resolve("layer-1.qcow2")).doesNotExist();
            assertThat(description()).doesNotContain("next");
            assertThat(read(open)).isEqualTo(1);
        }
    }

    @Test
    void theFirstWriteAfterAForkIsFoundAfterAKill() throws Exception {
        OpenVolume open = prepared();
        open.fork(Optional.empty());
        write(open, 2);
        KilledVolume.kill(open);
        assertThat(VolumeInfo.of(made).layers()).as("'vmckpt volume show' says so").hasSize(2);
        try (OpenVolume again = open()) {
            assertThat(names(again)).containsExactly("layer-0.qcow2", "layer-1.qcow2");
            assertThat(read(again)).isEqualTo(2);
            assertThat(frozen(again)).isEqualTo(1);
        }
    }

    /** The oldest layer's first byte, as others would read it. */
    private static int frozen(OpenVolume open) throws Exception {
        ByteBuffer into = ByteBuffer.allocateDirect(1);
        open.volume().layers().getFirst().device().read(into, 0);
        return into.get(0);
    }

    @Test
    void zeroesAreAWriteToo() throws Exception {
        OpenVolume open = prepared();
        open.fork(Optional.empty());
        new VolumeClient(open.volume()).zero(0, SIZE);
        KilledVolume.kill(open);
        try (OpenVolume again = open()) {
            assertThat(read(again)).isZero();
            assertThat(frozen(again)).isEqualTo(1);
        }
    }

    @Test
    void aHeldForkWithNoWriteAfterItLasts() throws Exception {
        OpenVolume open = prepared();
        open.prepare("checkpoint-1");
        open.fork(Optional.of("checkpoint-1"));
        KilledVolume.kill(open);
        assertFrozen();
    }

    @Test
    void aRecordedForkWithNoWriteAfterItLasts() throws Exception {
        OpenVolume open = prepared();
        open.fork(Optional.empty());
        open.record();
        KilledVolume.kill(open);
        assertFrozen();
    }

    @Test
    void aSettledForkWithNoWriteAfterItLasts() throws Exception {
        OpenVolume open = prepared();
        open.fork(Optional.empty());
        assertThat(open.settle(10_000)).isTrue();
        KilledVolume.kill(open);
        assertFrozen();
    }

    private void assertFrozen() throws Exception {
        try (OpenVolume again = open()) {
            assertThat(names(again)).containsExactly("layer-0.qcow2", "layer-1.qcow2");
            assertThat(read(again)).isEqualTo(1);
            byte[] recovered = Files.readAllBytes(made.path().resolve("layer-0.qcow2"));
            write(again, 2);
            again.volume().flush();
            byte[] later = Files.readAllBytes(made.path().resolve("layer-0.qcow2"));
            assertThat(Arrays.mismatch(later, recovered)).isEqualTo(-1);
            assertThat(frozen(again)).isEqualTo(1);
        }
    }

    @Test
    void forksInQuickSuccessionAreAllThereAfterAKill() throws Exception {
        OpenVolume open = prepared();
        for (int i = 2; i < 6; i++) {
            open.fork(Optional.empty());
            write(open, i);
        }
        KilledVolume.kill(open);
        try (OpenVolume again = open()) {
            assertThat(names(again)).hasSize(5);
            assertThat(read(again)).isEqualTo(5);
        }
    }

    /** Else the layer could become active again, and what is written to it then be skipped. */
    @Test
    void aLayerIsFoldedOnlyWhenItsForkIsRecorded() throws Exception {
        OpenVolume open = prepared();
        open.fork(Optional.empty());
        write(open, 2);
        open.prepare();
        open.fork(Optional.empty());
        assertThat(description()).contains("\"next\"");
        Throttle ended = Throttle.unlimited();
        ended.end();
        assertThat(open.commit(ended)).isZero();
        assertThat(description()).contains("\"next\"");
        assertThat(open.commit(Throttle.unlimited())).isEqualTo(1);
        KilledVolume.kill(open);
        try (OpenVolume again = open()) {
            assertThat(names(again)).containsExactly("layer-0.qcow2", "layer-2.qcow2");
            assertThat(read(again)).isEqualTo(2);
        }
    }

    @Test
    void aFoldBeforeAForkLeavesWhatIsPrepared() throws Exception {
        OpenVolume open = prepared();
        open.fork(Optional.empty());
        write(open, 2);
        open.fork(Optional.empty());
        open.prepare();
        assertThat(open.commit(Throttle.unlimited())).isEqualTo(1);
        open.fork(Optional.empty());
        write(open, 3);
        KilledVolume.kill(open);
        try (OpenVolume again = open()) {
            assertThat(names(again))
                    .containsExactly("layer-0.qcow2", "layer-2.qcow2", "layer-3.qcow2");
            assertThat(read(again)).isEqualTo(3);
        }
    }

    @Test
    void whatWasPreparedAndIsMissingIsNotPassedOver() throws Exception {
        KilledVolume.kill(prepared());
        Files.delete(made.path().resolve("layer-1.qcow2"));
        assertThatThrownBy(this::open).hasMessageContaining("layer-1.qcow2");
    }
}
