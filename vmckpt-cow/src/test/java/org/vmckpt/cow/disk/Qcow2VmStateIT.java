package org.vmckpt.cow.disk;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.stream.DeviceStream;

/** The image that a real QEMU wrote its devices into. */
class Qcow2VmStateIT {
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final int SNAPSHOT_BYTES = 64;

    @TempDir Path folder;

    private Path saved() throws Exception {
        Path copy = folder.resolve("copy.qcow2");
        Path work = Files.createDirectory(folder.resolve("work"));
        try (Qemu qemu = Qemu.start(folder);
                StateImage image = StateImage.attach(qemu.qmp(), work)) {
            image.save(SOON);
            Files.copy(work.resolve("devices.qcow2"), copy, StandardCopyOption.REPLACE_EXISTING);
        }
        return copy;
    }

    @Test
    void stateIsAWholeStreamAndEveryFlippedBitIsNoticedOrDoesNotMatter() throws Exception {
        Path image = saved();
        try (DamagedState damaged = new DamagedState(image)) {
            assertThat(DeviceStream.parse(damaged.sound()).ramBlocks()).isNotEmpty();
            ByteBuffer file = ByteBuffer.wrap(Files.readAllBytes(image));
            int snapshot = (int) file.getLong(64);
            int l1 = (int) file.getLong(snapshot);
            // The disk is one table, so the state begins in the second.
            int l2 = (int) (file.getLong(l1 + 8) & ~(1L << 63));
            int clusters = Math.ceilDiv(damaged.sound().length, 1 << file.getInt(20));
            assertThat(damaged.flipEveryBit(0, 112)).isPositive();
            assertThat(damaged.flipEveryBit(snapshot, SNAPSHOT_BYTES)).isPositive();
            int withoutCopiedFlag = Long.SIZE - 1;
            assertThat(damaged.flipEveryBit(l1 + 8L, 8)).isEqualTo(withoutCopiedFlag);
            assertThat(damaged.flipEveryBit(l2, 8 * clusters))
                    .isEqualTo(clusters * withoutCopiedFlag);
        }
    }
}
