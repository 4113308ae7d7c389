package org.vmckpt.cow.serving;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.StorageException;
import org.vmckpt.cow.nbd.TestClient;
import org.vmckpt.cow.volume.OpenVolume;
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

    @Test
    void aForkIsRecordedOnAFullDiskAndTheNextIsRefusedUntilThereIsRoom() throws Exception {
        Path ballast = folder.resolve("ballast");
        VolumeFolder volume =
                VolumeCreator.create(
                        folder.resolve("v"),
                        Optional.empty(),
                        Optional.empty(),
                        OptionalLong.of(64 << 20),
                        BLOCK);
        try (OpenVolume open = OpenVolume.open(volume, Optional.empty())) {
            open.prepare();
            fill(ballast);
            open.fork(Optional.empty());
            open.volume().flush();
            assertThat(Files.readString(volume.path().resolve("volume.json")))
                    .contains("layer-1")
                    .doesNotContain("next");
            assertThatThrownBy(() -> open.fork(Optional.empty()))
                    .isInstanceOf(StorageException.class)
                    .hasMessageContaining("preparing a fork");
            Files.delete(ballast);
            open.fork(Optional.empty());
            open.prepare();
            fill(ballast);
        }
        // If what was prepared could not be taken off the list it is harmless, for it is not used.
        try (OpenVolume open = OpenVolume.open(volume, Optional.empty())) {
            assertThat(open.files()).hasSize(3);
            Files.delete(ballast);
            open.fork(Optional.empty());
            assertThat(open.files()).hasSize(4);
        }
    }

    private static void fill(Path file) throws IOException {
        try (OutputStream out = Files.newOutputStream(file)) {
            while (true) {
                out.write(new byte[4096]);
            }
        } catch (IOException full) {
            assertThat(full).hasMessageContaining("No space left");
        }
    }
}
