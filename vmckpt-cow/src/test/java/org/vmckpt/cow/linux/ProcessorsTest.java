package org.vmckpt.cow.linux;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class ProcessorsTest {
    private static final Path LATENCY_REQUESTS = Path.of("/dev/cpu_dma_latency");

    @Test
    void aThreadStaysOffTheProcessorThatItAvoidsAndComesBack() throws Exception {
        ThreadAffinity affinity = ThreadAffinity.ofThisThread();
        String before = allowedProcessors();
        assumeTrue(before.contains("-") || before.contains(","), "one processor only");
        int avoided = ThreadAffinity.currentProcessor();
        affinity.avoid(avoided);
        try {
            for (int i = 0; i < 1000; i++) {
                assertThat(ThreadAffinity.currentProcessor()).isNotEqualTo(avoided);
            }
            assertThat(allowedProcessors()).isNotEqualTo(before);
        } finally {
            affinity.restore();
        }
        assertThat(allowedProcessors()).isEqualTo(before);
    }

    @Test
    void aProcessorThatIsNotThereChangesNothing() throws Exception {
        ThreadAffinity affinity = ThreadAffinity.ofThisThread();
        String before = allowedProcessors();
        affinity.avoid(-1);
        affinity.avoid(1 << 20);
        assertThat(allowedProcessors()).isEqualTo(before);
    }

    @Test
    void idleProcessorsAreAskedToStayAwake() throws Exception {
        assumeTrue(Files.isWritable(LATENCY_REQUESTS), LATENCY_REQUESTS + " is not ours");
        WakeLatency latency = WakeLatency.shortest();
        try {
            byte[] micros = new byte[Integer.BYTES];
            try (var effective = Files.newInputStream(LATENCY_REQUESTS)) {
                assertThat(effective.readNBytes(micros, 0, micros.length)).isEqualTo(Integer.BYTES);
            }
            assertThat(ByteBuffer.wrap(micros).order(ByteOrder.nativeOrder()).getInt()).isZero();
        } finally {
            latency.close();
        }
        latency.close();
    }

    private static String allowedProcessors() throws Exception {
        return Files.readString(Path.of("/proc/thread-self/status"), UTF_8)
                .lines()
                .filter(line -> line.startsWith("Cpus_allowed_list:"))
                .findFirst()
                .orElseThrow();
    }
}
