package org.vmckpt.cow.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.stream.DeviceStream;

class StateImageIT {
    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final int LARGEST_BYTES = 64 << 20;

    @TempDir Path folder;
    @TempDir Path temporary;

    @Test
    void blankImageIsOneThatQemuCallsSound() throws Exception {
        Path image = Files.write(folder.resolve("blank.qcow2"), StateImageFormat.blank());
        Tools.run("qemu-img", "check", image.toString());
    }

    @Test
    void holdsTheStreamOfAGuestWithMoreStateThanWasAllocatedForIt() throws Exception {
        // Its memory is not shared, so what is in it is in the stream.
        byte[] noise = new byte[8 << 20];
        new Random(7).nextBytes(noise);
        Path file = Files.write(folder.resolve("noise"), noise);
        String loader = "loader,force-raw=on,addr=0x400000,file=" + file;
        try (Qemu qemu = Qemu.start(folder, "-device", loader);
                StateImage image = StateImage.attach(qemu.qmp(), temporary)) {
            byte[] stream = saved(image);
            assertThat(stream.length).isGreaterThan(8 << 20);
            assertThat(DeviceStream.parse(stream).ramBlocks())
                    .anyMatch(block -> block.name().equals("pc.ram"));
            assertThatThrownBy(() -> image.read(1 << 20)).isInstanceOf(UnsupportedException.class);
        }
        assertThat(temporary).isEmptyDirectory();
    }

    @Test
    void takesStateAgainAndAgainOfAGuestThatStaysAsItIs() throws Exception {
        try (Qemu qemu = Qemu.start(folder)) {
            int length = 0;
            for (int round = 0; round < 3; round++) {
                try (StateImage image = StateImage.attach(qemu.qmp(), temporary)) {
                    byte[] stream = saved(image);
                    assertThat(DeviceStream.parse(stream).ramBlocks()).isNotEmpty();
                    assertThat(length).isIn(0, stream.length);
                    length = stream.length;
                }
            }
            assertThat(qemu.qmp().execute("query-named-block-nodes")).isEmpty();
            assertThat(qemu.qmp().execute("query-status").path("status").asText())
                    .isEqualTo("prelaunch");
        }
    }

    private static byte[] saved(StateImage image) throws Exception {
        image.save(LIMIT);
        return image.read(LARGEST_BYTES);
    }
}
