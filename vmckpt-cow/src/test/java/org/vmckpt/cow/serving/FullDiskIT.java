package org.vmckpt.cow.serving;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.cow.nbd.TestClient;
import org.vmckpt.cow.volume.VolumeCreator;
import org.vmckpt.cow.volume.VolumeFolder;

/** The host's disk is full: the guest is told so, and goes on when there is room. */
final class FullDiskIT {
    private static final int ENOSPC = 28;
    private static final int BLOCK = 64 << 10;
    private static final int FLUSH = 3;

    @TempDir private Path folder;

    private boolean mounted;

    @BeforeEach
    void mount() throws Exception {
        mounted = run("mount", "-t", "tmpfs", "-o", "size=12m", "vmckpt-test", folder.toString());
        assumeTrue(mounted, "mounting a tmpfs needs root: run this test as root");
    }

    @AfterEach
    void unmount() throws Exception {
        if (mounted) {
            run("umount", folder.toString());
        }
    }

    private static boolean run(String... command) throws Exception {
        return new ProcessBuilder(command).inheritIO().start().waitFor() == 0;
    }

    @Test
    void writesFailWithEnospcAndSucceedWhenThereIsRoom() throws Exception {
        Path ballast = folder.resolve("ballast");
        Files.write(ballast, new byte[6 << 20]);
        VolumeFolder volume =
                VolumeCreator.create(
                        folder.resolve("v"),
                        Optional.empty(),
                        Optional.empty(),
                        OptionalLong.of(64 << 20),
                        BLOCK);
        Path socket = folder.resolve("s");
        try (VolumeServer _ =
                        VolumeServer.start(
                                List.of(volume),
                                socket,
                                VolumeServer.controlSocketOf(socket),
                                false);
                TestClient client = TestClient.simple(socket, "v")) {
            byte[] data = new byte[BLOCK];
            int error = 0;
            int written = 0;
            while (error == 0) {
                data[0] = (byte) written;
                client.write(1, (long) written * BLOCK, data);
                error = client.reply().error();
                written += error == 0 ? 1 : 0;
            }
            assertThat(error).isEqualTo(ENOSPC);
            Files.delete(ballast);
            data[0] = (byte) written;
            client.write(1, (long) written * BLOCK, data);
            assertThat(client.reply().error()).isZero();
            client.request(FLUSH, 0, 2, 0, 0);
            assertThat(client.reply().error()).isZero();
            for (int i = 0; i <= written; i++) {
                assertThat(client.read((long) i * BLOCK, 1)).containsExactly((byte) i);
            }
        }
    }
}
