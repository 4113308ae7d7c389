package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.vmckpt.cow.serving.ControlClient;
import org.vmckpt.cow.serving.VolumeServer;

/** {@code vmckpt volume serve} as it is shipped, in a process of its own. */
public final class VolumeProcess implements AutoCloseable {
    private static final int END_SECONDS = 60;

    private final Process process;
    private final Path socket;

    private VolumeProcess(Process process, Path socket) {
        this.process = process;
        this.socket = socket;
    }

    /** Runs {@code vmckpt volume} with some arguments to its end. */
    public static String run(String... arguments) {
        List<String> command = command();
        command.addAll(List.of(arguments));
        return Commands.run(command);
    }

    /** Starts it and waits until it serves. */
    public static VolumeProcess start(Path volume, Path socket, String... options)
            throws IOException {
        List<String> command = command();
        command.addAll(List.of("serve", volume.toString(), "--socket", socket.toString()));
        command.addAll(List.of(options));
        Process process =
                new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        BufferedReader lines = process.inputReader();
        assertThat(lines.readLine()).startsWith("Serving 1 volumes");
        return new VolumeProcess(process, socket);
    }

    static Path program() {
        return Path.of("../vmckpt-cli/target/vmckpt/bin/vmckpt").toAbsolutePath().normalize();
    }

    private static List<String> command() {
        List<String> command = new ArrayList<>();
        command.add(program().toString());
        command.add("volume");
        return command;
    }

    /** What makes a disk of it for a guest. */
    public static List<String> disk(String export, Path socket) {
        return List.of(
                "-blockdev",
                "driver=nbd,node-name=vol,export=%s,reconnect-delay=60,server.type=unix,server.path=%s"
                        .formatted(export, socket),
                "-device",
                "virtio-blk-pci,drive=vol,id=vol-disk,werror=stop,rerror=stop");
    }

    public ControlClient control() throws Exception {
        return ControlClient.connect(VolumeServer.controlSocketOf(socket));
    }

    /** SIGKILL. */
    public void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    /** Ends it as an operator would. */
    public void end() throws InterruptedException {
        process.toHandle().destroy();
        assertThat(process.waitFor(END_SECONDS, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isZero();
    }

    @Override
    public void close() {
        process.destroyForcibly();
        // Its files are deleted next.
        process.onExit().join();
    }
}
