package org.vmckpt.cow.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.cow.block.PlainFile;
import org.vmckpt.cow.block.RawDevice;

/**
 * Clients that nobody here wrote find nothing wrong: libnbd's tools, QEMU's and fio; needs packages
 * libnbd-bin, qemu-utils and fio.
 */
final class JudgesIT {
    private static final int SIZE = 64 << 20;

    @TempDir private Path folder;

    private Path disk;
    private TestServer server;

    @BeforeEach
    void start() throws Exception {
        disk = folder.resolve("disk.raw");
        Files.createFile(disk);
        PlainFile file = PlainFile.open(disk);
        file.resize(SIZE);
        server = TestServer.over(RawDevice.over(file));
    }

    @AfterEach
    void close() throws Exception {
        server.close();
    }

    static String run(String... command) {
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            String output =
                    new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(process.waitFor()).as(List.of(command) + "\n" + output).isZero();
            return output;
        } catch (IOException e) {
            throw new AssertionError(
                    "needs " + command[0] + " (packages libnbd-bin, qemu-utils, fio)", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    @Test
    void nbdinfoFindsWhatWeOffer() {
        String list = run("nbdinfo", "--list", "nbd+unix:///?socket=" + server.socket());
        assertThat(list)
                .contains("newstyle-fixed without TLS, using structured packets")
                .contains("export=\"disk\"")
                .contains("export-size: " + SIZE)
                .contains("base:allocation")
                .contains("can_multi_conn: true")
                .contains("block_size_preferred: 65536");
    }

    @Test
    void nbdcopyBringsDataThereAndBack() throws Exception {
        byte[] data = new byte[SIZE];
        new Random(1).nextBytes(data);
        Arrays.fill(data, 8 << 20, 40 << 20, (byte) 0);
        Path source = folder.resolve("source");
        Files.write(source, data);
        run("nbdcopy", "--flush", source.toString(), server.uri());
        assertThat(Files.mismatch(source, disk)).isEqualTo(-1);
        Path back = folder.resolve("back");
        run("nbdcopy", server.uri(), back.toString());
        assertThat(Files.mismatch(source, back)).isEqualTo(-1);
        run("qemu-img", "compare", "-f", "raw", "-F", "raw", source.toString(), server.uri());
    }

    @Test
    void extentsAreToldAsTheFileHasThem() {
        run("qemu-io", "-f", "raw", "-c", "write -P 1 4M 1M", server.uri());
        assertThat(run("nbdinfo", "--map", server.uri()))
                .containsSubsequence("0", "4194304", "hole,zero", "4194304", "1048576", "data");
        assertThat(run("qemu-img", "map", "--output=json", "-f", "raw", server.uri()))
                .contains("\"start\": 4194304, \"length\": 1048576");
    }

    @Test
    void qemuIoFindsItsPatterns() {
        String output =
                run(
                        "qemu-io",
                        "-f",
                        "raw",
                        "-c",
                        "write -P 7 1M 3M",
                        "-c",
                        "write -z 2M 1M",
                        "-c",
                        "write -f -P 8 5000 3000",
                        "-c",
                        "discard 3M 64k",
                        "-c",
                        "flush",
                        "-c",
                        "read -P 7 1M 1M",
                        "-c",
                        "read -P 0 2M 1M",
                        "-c",
                        "read -P 8 5000 3000",
                        "-c",
                        "aio_write -P 9 8M 8M",
                        "-c",
                        "aio_read 0 8M",
                        "-c",
                        "aio_flush",
                        "-c",
                        "read -P 9 8M 8M",
                        server.uri());
        assertThat(output).doesNotContain("verification failed").doesNotContain("error");
    }

    @Test
    void fioReadsBackWhatItWrote() {
        run(
                "fio",
                "--name=verify",
                "--ioengine=nbd",
                "--uri=" + server.uri(),
                "--rw=randwrite",
                "--bsrange=512-256k",
                "--iodepth=32",
                "--size=16M",
                "--io_size=32M",
                "--verify=crc32c",
                "--verify_fatal=1",
                "--thread");
    }
}
