package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.vmckpt.core.Json;

/** {@code vmckpt watch --json} as it is shipped, in a process of its own. */
final class WatchProcess implements AutoCloseable {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final int END_SECONDS = 60;

    private final Process process;
    private final BufferedReader lines;
    private final Path errors;

    private WatchProcess(Process process, Path errors) {
        this.process = process;
        this.lines = process.inputReader();
        this.errors = errors;
    }

    /** Flat out in the long runs that are asked for; in every build others want to get on. */
    private static final Workload LOAD =
            System.getProperty("vmckpt.soak") != null || System.getProperty("vmckpt.kills") != null
                    ? Workload.flatOut(24 * MIB)
                    : Workload.busy(24 * MIB);

    /** A guest to watch, which works and reports its stalls. */
    static TestGuest startGuest() {
        TestGuest guest =
                TestGuest.builder()
                        .memory(128 * MIB)
                        .vcpus(2)
                        .disk(TestDisk.qcow2(24 * MIB))
                        .workload(LOAD.stall(4 * MIB, Rate.perSecond(500)))
                        .start();
        guest.awaitBoot();
        guest.console().awaitTick(4, SOON);
        return guest;
    }

    /**
     * Starts it.
     *
     * @param folder gets what it says on standard error
     */
    static WatchProcess start(TestGuest guest, Path store, Path folder, List<String> options)
            throws IOException {
        List<String> command = new ArrayList<>();
        command.add(
                Path.of("../vmckpt-cli/target/vmckpt/bin/vmckpt")
                        .toAbsolutePath()
                        .normalize()
                        .toString());
        command.addAll(List.of("watch", "qmp:" + guest.qmpSocket(), "--json"));
        command.add(PatientRequest.DRAIN_OPTION);
        command.addAll(List.of("--store", store.toString()));
        command.addAll(options);
        Path errors = folder.resolve("errors");
        return new WatchProcess(
                new ProcessBuilder(command).redirectError(errors.toFile()).start(), errors);
    }

    Process process() {
        return process;
    }

    /** So many events; fewer when it ends before. */
    List<JsonNode> read(int count) {
        List<JsonNode> read = new ArrayList<>();
        try {
            String line = "";
            while (read.size() < count && (line = lines.readLine()) != null) {
                read.add(Json.MAPPER.readTree(line));
            }
            return read;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** All events up to its end. */
    List<JsonNode> readToEnd() {
        return read(Integer.MAX_VALUE);
    }

    /** Ends it as an operator would. */
    void terminate() {
        process.toHandle().destroy();
    }

    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    /** It ends by itself, and well. */
    void requireEnds() throws Exception {
        assertThat(process.waitFor(END_SECONDS, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).as(Files.readString(errors)).isZero();
    }

    @Override
    public void close() throws IOException {
        process.destroyForcibly();
        // Its files are deleted next.
        process.onExit().join();
        lines.close();
    }
}
