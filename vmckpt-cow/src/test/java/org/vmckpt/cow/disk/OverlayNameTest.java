package org.vmckpt.cow.disk;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.vmckpt.core.CheckpointId;

class OverlayNameTest {
    private static final CheckpointId OLD = new CheckpointId("20260101T000000Z-00000000000000aa");
    private static final CheckpointId NEW = new CheckpointId("20260101T000001Z-00000000000000bb");

    @Test
    void overlayOfAnOverlayIsNamedAfterTheUsersFile() {
        Path disk = Path.of("/images/vm.qcow2");
        Path older = OverlayName.fileFor(disk, OLD);
        assertThat(older).hasToString("/images/vm.qcow2.vmckpt-00000000000000aa.qcow2");
        assertThat(OverlayName.fileFor(older, NEW))
                .hasToString("/images/vm.qcow2.vmckpt-00000000000000bb.qcow2");
        assertThat(OverlayName.rootOf(older)).isEqualTo("vm.qcow2");
    }

    @Test
    void disksThatDifferInTheirEndingGetDifferentOverlays() {
        assertThat(OverlayName.fileFor(Path.of("/i/vm.raw"), OLD))
                .isNotEqualTo(OverlayName.fileFor(Path.of("/i/vm.qcow2"), OLD));
    }

    @Test
    void onlyOverlaysOfTheSameFileInTheSameFolderBelongToADisk() {
        Path disk = Path.of("/images/vm.qcow2");
        Path overlay = OverlayName.fileFor(disk, OLD);
        assertThat(OverlayName.isOverlayOf(overlay, disk)).isTrue();
        assertThat(OverlayName.isOverlayOf(OverlayName.fileFor(overlay, NEW), overlay)).isTrue();
        assertThat(OverlayName.isOverlayOf(disk, disk)).isFalse();
        assertThat(OverlayName.isOverlayOf(overlay, Path.of("/images/vm2.qcow2"))).isFalse();
        assertThat(OverlayName.isOverlayOf(overlay, Path.of("/other/vm.qcow2"))).isFalse();
    }

    @Test
    void namesOfTheUserAreNotTakenForOurs() {
        assertThat(OverlayName.isFile(Path.of("/i/vm.vmckpt-backup.qcow2"))).isFalse();
        assertThat(OverlayName.isFile(Path.of("/i/.vmckpt-00000000000000aa.qcow2"))).isFalse();
        assertThat(OverlayName.isNode("vmckpt-mine")).isFalse();
        String node = OverlayName.nodeFor(OLD, 12);
        assertThat(OverlayName.isNode(node)).isTrue();
        assertThat(OverlayName.isNode("vmckpt-00000000000000aa-12")).isTrue();
        assertThat(OverlayName.isNode("vmckpt-0000000-12")).isFalse();
        assertThat(OverlayName.isFileNode(node)).isFalse();
        assertThat(OverlayName.isFileNode(OverlayName.fileNodeOf(node))).isTrue();
    }

    @Test
    void nodeNamesFitIntoQemusLimitOf31Characters() {
        String node = OverlayName.fileNodeOf(OverlayName.nodeFor(OLD, 99));
        assertThat(node.length()).isLessThanOrEqualTo(31);
    }
}
