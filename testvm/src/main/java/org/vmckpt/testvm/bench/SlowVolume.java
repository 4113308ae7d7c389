package org.vmckpt.testvm.bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.volume.VolumeCreator;
import org.vmckpt.testvm.SlowVolumeServer;

/** A volume on files that take as long as wanted, served by a process of its own. */
final class SlowVolume implements AutoCloseable {
    private static final int CLUSTER_BYTES = 64 << 10;
    private static final String NAME = "slow";

    private final Process server;
    private final PrintWriter delays;
    private final BufferedReader answers;
    private final Path socket;

    private SlowVolume(Process server, Path socket) {
        this.server = server;
        this.delays = new PrintWriter(server.outputWriter(), true);
        this.answers = server.inputReader();
        this.socket = socket;
    }

    /** Makes an empty one and serves it, quick at first. */
    static SlowVolume start(Path folder, long sizeBytes) throws IOException, VmckptException {
        Path volume = folder.resolve(NAME);
        VolumeCreator.create(
                volume,
                Optional.empty(),
                Optional.empty(),
                OptionalLong.of(sizeBytes),
                CLUSTER_BYTES);
        Path socket = folder.resolve(NAME + ".nbd");
        Process process =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-XX:+UseSerialGC",
                                "--enable-native-access=ALL-UNNAMED",
                                "-cp",
                                System.getProperty("java.class.path"),
                                SlowVolumeServer.class.getName(),
                                socket.toString(),
                                volume.toString())
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        SlowVolume slow = new SlowVolume(process, socket);
        slow.requireAnswer("serving");
        return slow;
    }

    /** What gives it to a guest. */
    List<String> disk() {
        return List.of(
                "-blockdev",
                "driver=nbd,node-name=slow,export=%s,server.type=unix,server.path=%s"
                        .formatted(NAME, socket),
                "-device",
                "virtio-blk-pci,drive=slow,id=slow-disk,werror=stop,rerror=stop");
    }

    /** How long each read, write and sync of its files takes from now on. */
    void delay(long millis) throws IOException {
        delays.println(millis);
        requireAnswer("delayed");
    }

    private void requireAnswer(String expected) throws IOException {
        String answer = answers.readLine();
        if (!expected.equals(answer)) {
            close();
            throw new IOException("the slow volume's server said " + answer);
        }
    }

    @Override
    public void close() {
        delays.close();
        server.destroy();
        server.onExit().join();
    }
}
