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
 * @param once each cluster is written once, a block in it, instead of for some time
 */
record FioJob(String name, String pattern, int blockBytes, int depth, boolean once) {
    private static final int CLUSTER_BYTES = 64 << 10;
    private static final int FIRST_WRITES = 4096;

    /** Runs it and returns requests a second. */
    double run(Path socket, String export, int seconds) throws IOException, InterruptedException {
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
            command.add("--blockalign=" + CLUSTER_BYTES);
            command.add("--number_ios=" + FIRST_WRITES);
        } else {
            command.addAll(List.of("--time_based", "--runtime=" + seconds, "--ramp_time=500ms"));
        }
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
