package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Who serves a volume's active file. */
enum NbdContender {
    VMCKPT("vmckpt") {
        @Override
        List<String> command(Path volume, Path socket) {
            return List.of(
                    program(), "volume", "serve", volume.toString(), "--socket", socket.toString());
        }
    },
    QEMU_NBD("qemu-nbd") {
        @Override
        List<String> command(Path volume, Path socket) {
            return List.of(
                    "qemu-nbd",
                    "--format=qcow2",
                    "--persistent",
                    "--shared=8",
                    "--export-name=" + volume.getFileName(),
                    "--socket=" + socket,
                    volume.resolve("layer-0.qcow2").toString());
        }
    };

    private static final long LOOK_MILLIS = 20;

    private final String title;

    NbdContender(String title) {
        this.title = title;
    }

    String title() {
        return title;
    }

    abstract List<String> command(Path volume, Path socket);

    /** The distribution's command, which scripts/bench has built. */
    static String program() {
        return System.getProperty("vmckpt.program", "vmckpt");
    }

    /** Serves until it is closed. */
    final Server serve(Path volume, Path socket) throws IOException, InterruptedException {
        Process process =
                new ProcessBuilder(command(volume, socket))
                        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        while (!Files.exists(socket)) {
            if (!process.isAlive()) {
                throw new IOException(title + " does not serve " + volume);
            }
            Thread.sleep(LOOK_MILLIS);
        }
        return new Server(process, socket);
    }

    /** A process that serves. */
    record Server(Process process, Path socket) implements AutoCloseable {
        @Override
        public void close() throws IOException {
            process.destroy();
            try {
                process.waitFor();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            Files.deleteIfExists(socket);
        }
    }
}
