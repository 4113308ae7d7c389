package org.vmckpt.testvm.bench;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.vmckpt.core.Json;

/**
 * Requests that fio's nbd engine issues.
 *
 * @param pattern fio's name for it, for example {@code randread}
 * @param once each cluster of the disk's second half is written once, a block in it, instead of for
 *     some time; the first half is written before, so that nobody is measured cold
 */
record FioJob(String name, String pattern, int blockBytes, int depth, boolean once) {
    private static final int CLUSTER_BYTES = 64 << 10;

    /** Runs it and returns requests a second. */
    double run(Path socket, String export, int seconds) throws IOException, InterruptedException {
        List<String> timed = List.of("--time_based", "--runtime=" + seconds, "--ramp_time=500ms");
        if (!once) {
            return run(socket, export, timed);
        }
        String number = "--number_ios=" + VolumeSuite.DISK_BYTES / 2 / CLUSTER_BYTES;
        run(socket, export, List.of(number, "--size=50%"));
        return run(socket, export, List.of(number, "--offset=50%"));
    }

    private String steps() {
        return "--rw=%s:%d".formatted(pattern, CLUSTER_BYTES - blockBytes);
    }

    private double run(Path socket, String export, List<String> extent)
            throws IOException, InterruptedException {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                "fio",
                                "--output-format=json",
                                "--name=bench",
                                "--ioengine=nbd",
                                "--thread",
                                "--uri=nbd+unix:///%s?socket=%s".formatted(export, socket),
                                "--rw=" + pattern,
                                "--bs=" + blockBytes,
                                "--iodepth=" + depth,
                                "--randrepeat=0"));
        if (once) {
            // At random fio would meet some clusters again and others never.
            command.set(command.indexOf("--rw=" + pattern), steps());
        }
        command.addAll(extent);
        Process fio =
                new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
        String output = new String(fio.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (fio.waitFor() != 0) {
            throw new IOException("fio failed: " + output);
        }
        // Notes may stand before the JSON.
        JsonNode job = Json.MAPPER.readTree(output.substring(output.indexOf('{'))).at("/jobs/0");
        return Math.max(job.at("/read/iops").asDouble(), job.at("/write/iops").asDouble());
    }
}
