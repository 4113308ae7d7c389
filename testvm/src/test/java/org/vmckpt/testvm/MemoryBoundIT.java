package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Json;

/**
 * The command keeps within {@code --cow-budget} and a constant while a 512 MiB guest dirties all it
 * has.
 */
final class MemoryBoundIT {
    private static final long MIB = 1 << 20;
    private static final long GUEST_BYTES = 512 * MIB;

    /** Java heap, compiled code, class data, compression contexts, device state. */
    private static final long OVERHEAD_BYTES = 256 * MIB;

    private static final Duration SOON = Duration.ofMinutes(3);

    /** Without the guest's own memory, which it maps to read it and which is there once. */
    private static final Pattern OWN = Pattern.compile("RssAnon:\\s+(\\d+) kB");

    @TempDir Path folder;

    @Test
    void commandStaysWithinItsBudgetWhileTheGuestDirtiesEverything() throws Exception {
        try (TestGuest guest =
                TestGuest.builder()
                        .memory(GUEST_BYTES)
                        .vcpus(2)
                        .workload(Workload.flatOut(384 * MIB).filled())
                        .start()) {
            guest.awaitBoot();
            guest.console().awaitTick(tick -> tick.memoryPages() > 50_000, "a dirty guest", SOON);
            assertThat(peakBytes(guest, List.of()))
                    .as("default budget")
                    .isLessThan(GUEST_BYTES + OVERHEAD_BYTES);
            assertThat(peakBytes(guest, List.of("--cow-budget", "64M")))
                    .as("64 MiB")
                    .isLessThan(64 * MIB + OVERHEAD_BYTES);
            assertThat(guest.console().errors()).isZero();
            assertThat(guest.console().faults()).isEmpty();
        }
    }

    private long peakBytes(TestGuest guest, List<String> options) throws Exception {
        List<String> command = new ArrayList<>();
        command.add(program().toString());
        command.addAll(List.of("checkpoint", "qmp:" + guest.qmpSocket(), "--json"));
        command.add(PatientRequest.DRAIN_OPTION);
        command.addAll(List.of("--store", folder.resolve("store").toString()));
        command.addAll(options);
        Path output = folder.resolve("output");
        Process process =
                new ProcessBuilder(command)
                        .redirectOutput(output.toFile())
                        .redirectError(folder.resolve("errors").toFile())
                        .start();
        long peakBytes = 0;
        while (process.isAlive()) {
            peakBytes = Math.max(peakBytes, ownBytes(process.pid()));
            Thread.sleep(20);
        }
        String errors = Files.readString(folder.resolve("errors"));
        assertThat(process.waitFor()).as(errors).isZero();
        JsonNode report = Json.MAPPER.readTree(output.toFile());
        System.out.printf("peak %d MiB with %s: %s%n", peakBytes / MIB, options, report);
        return peakBytes;
    }

    private static long ownBytes(long pid) {
        try {
            Path status = Path.of("/proc", Long.toString(pid), "status");
            Matcher own = OWN.matcher(Files.readString(status, StandardCharsets.US_ASCII));
            return own.find() ? Long.parseLong(own.group(1)) * 1024 : 0;
        } catch (IOException e) {
            return 0; // it has ended, perhaps while it was read
        }
    }

    private static Path program() {
        Path program =
                Path.of("../vmckpt-cli/target/vmckpt/bin/vmckpt").toAbsolutePath().normalize();
        assertThat(program).as("built by mvn package").isExecutable();
        return program;
    }
}
