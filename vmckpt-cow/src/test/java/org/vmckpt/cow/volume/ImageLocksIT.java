package org.vmckpt.cow.volume;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.ConflictException;
import org.vmckpt.cow.disk.Tools;

/** QEMU's programs and a volume's process keep out of each other's files; needs qemu-utils. */
final class ImageLocksIT {
    private static final int SIZE = 4 << 20;
    private static final String[] WRITE = {"write -P 7 0 64k"};

    @TempDir private Path folder;

    private Path base;
    private VolumeFolder made;

    @BeforeEach
    void create() throws Exception {
        base = folder.resolve("base.qcow2");
        Tools.createImage(base, "qcow2", "" + SIZE);
        made = volumeOn("v", base);
    }

    private VolumeFolder volumeOn(String name, Path lower) throws Exception {
        return VolumeCreator.create(
                folder.resolve(name),
                Optional.of(lower),
                Optional.of("qcow2"),
                OptionalLong.of(SIZE),
                64 << 10);
    }

    private static OpenVolume open(VolumeFolder volume) throws Exception {
        return OpenVolume.open(volume, Optional.empty());
    }

    private static Path active(OpenVolume open) {
        return open.files().getLast();
    }

    private static void assertRefused(String... command) throws Exception {
        Process process = new ProcessBuilder(List.of(command)).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isNotZero();
        assertThat(output).contains("lock");
    }

    private static void assertNotWritable(Path file) throws Exception {
        assertRefused("qemu-io", "-f", "qcow2", "-c", WRITE[0], file.toString());
    }

    /** A program of QEMU's that has a file open until it is closed. */
    private static final class Holder implements AutoCloseable {
        private final Process process;

        Holder(Path file, String... options) throws IOException {
            List<String> command = new java.util.ArrayList<>(List.of("qemu-io", "-f", "qcow2"));
            command.addAll(List.of(options));
            command.add(file.toString());
            process = new ProcessBuilder(command).redirectErrorStream(true).start();
            OutputStream commands = process.getOutputStream();
            commands.write("read 0 512\n".getBytes(StandardCharsets.UTF_8));
            commands.flush();
            BufferedReader answers =
                    new BufferedReader(
                            new InputStreamReader(
                                    process.getInputStream(), StandardCharsets.UTF_8));
            assertThat(answers.readLine()).contains("read 512/512");
        }

        @Override
        public void close() throws IOException {
            process.getOutputStream().close();
            process.onExit().join();
        }
    }

    @Test
    void qemuIsKeptFromTheActiveFile() throws Exception {
        try (OpenVolume open = open(made)) {
            assertNotWritable(active(open));
            assertRefused("qemu-img", "info", active(open).toString());
            assertThat(Tools.run("qemu-img", "info", "-U", active(open).toString()))
                    .contains("4 MiB");
        }
        Tools.io(made.path().resolve("layer-0.qcow2"), "qcow2", WRITE);
    }

    @Test
    void qemuMayReadFrozenFilesAndTheBaseAndWriteNeither() throws Exception {
        try (OpenVolume open = open(made)) {
            new VolumeClient(open.volume()).write(0, new byte[] {1});
            Path frozen = open.fork(Optional.empty()).frozen();
            assertNotWritable(frozen);
            assertThat(open.settle(10_000)).isTrue();
            Tools.run("qemu-img", "info", frozen.toString());
            Tools.assertSound(frozen);
            assertNotWritable(frozen);
            Tools.run("qemu-img", "info", base.toString());
            assertNotWritable(base);
        }
    }

    @Test
    void whatQemuWritesIsNotOpened() throws Exception {
        Path active = made.path().resolve("layer-0.qcow2");
        for (Path file : List.of(active, base)) {
            try (Holder _ = new Holder(file)) {
                assertThatThrownBy(() -> open(made))
                        .isInstanceOf(ConflictException.class)
                        .hasMessageContaining(file.toString());
            }
        }
        try (Holder _ = new Holder(active, "-r")) {
            assertThatThrownBy(() -> open(made)).isInstanceOf(ConflictException.class);
        }
        try (Holder _ = new Holder(base, "-r");
                OpenVolume open = open(made)) {
            assertThat(open.files()).hasSize(2);
        }
    }

    @Test
    void aVolumeIsNoBaseOfAnotherWhileItIsWritten() throws Exception {
        VolumeFolder upper = volumeOn("upper", made.path().resolve("layer-0.qcow2"));
        try (OpenVolume _ = open(made)) {
            assertThatThrownBy(() -> open(upper)).isInstanceOf(ConflictException.class);
        }
        try (OpenVolume _ = open(upper)) {
            assertThatThrownBy(() -> open(made)).isInstanceOf(ConflictException.class);
            // Both only read it.
            open(volumeOn("other", base)).close();
        }
    }

    @Test
    void whatSomebodyReadsIsNotCommittedInto() throws Exception {
        try (OpenVolume open = open(made)) {
            VolumeClient client = new VolumeClient(open.volume());
            Path lower = open.fork(Optional.empty()).frozen();
            client.write(0, new byte[] {1});
            open.fork(Optional.empty());
            assertThat(open.settle(10_000)).isTrue();
            byte[] before = Files.readAllBytes(lower);
            try (Holder _ = new Holder(lower, "-r")) {
                assertThatThrownBy(() -> open.commit(Throttle.unlimited()))
                        .isInstanceOf(ConflictException.class)
                        .hasMessageContaining(lower.toString());
            }
            assertThat(Files.readAllBytes(lower)).isEqualTo(before);
            assertThat(open.commit(Throttle.unlimited())).isEqualTo(1);
            assertThat(client.read(0, 1)).containsExactly(1);
            assertThat(open.settle(10_000)).isTrue();
            Tools.assertSound(lower);
        }
    }

    @Test
    void replayWritesNothingThatSomebodyHasOpen() throws Exception {
        Path layer = made.path().resolve("layer-0.qcow2");
        Path copy = folder.resolve("copy.qcow2");
        Tools.createImage(copy, "qcow2", "" + SIZE);
        try (Holder _ = new Holder(copy, "-r")) {
            assertThatThrownBy(() -> replay(copy, layer)).isInstanceOf(ConflictException.class);
        }
        assertThat(replay(copy, layer).layers()).isEqualTo(1);
    }

    private static Replay.Report replay(Path copy, Path layer) throws Exception {
        return Replay.apply(copy, Optional.empty(), List.of(layer), Optional.empty());
    }
}
