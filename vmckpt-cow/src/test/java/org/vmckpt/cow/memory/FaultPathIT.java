package org.vmckpt.cow.memory;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.InputStream;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What the thread that a guest waits for must not do. Needs root. */
@Timeout(180)
class FaultPathIT {
    /**
     * The JDK's own part of a native call makes an object of 40 bytes (it slices the segment that
     * keeps errno). The JIT leaves it out; now and then, on a busy host, it does not at one of our
     * calls, and never will in that JVM. An object of ours would be made in each.
     */
    private static final int JVMS = 4;

    // An object for each fault would be half a megabyte and more.
    private static final long NEXT_TO_NOTHING_BYTES = 64 << 10;

    @Test
    void servesThousandsOfFaultsWithoutAllocation() throws Exception {
        long allocated = Long.MAX_VALUE;
        for (int i = 0; i < JVMS && allocated >= NEXT_TO_NOTHING_BYTES; i++) {
            allocated = allocatedByAnotherJvm();
        }
        assertThat(allocated).isNotNegative().isLessThan(NEXT_TO_NOTHING_BYTES);
    }

    private static long allocatedByAnotherJvm() throws Exception {
        Process jvm =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "--enable-native-access=ALL-UNNAMED",
                                "-Xmx512m",
                                "-cp",
                                System.getProperty("java.class.path"),
                                FaultPathMain.class.getName())
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        try (InputStream out = jvm.getInputStream()) {
            String printed = new String(out.readAllBytes(), UTF_8).strip();
            assertThat(jvm.waitFor(1, TimeUnit.MINUTES)).isTrue();
            assertThat(jvm.exitValue()).isZero();
            System.out.println(printed + " bytes allocated by the fault thread");
            return Long.parseLong(printed);
        } finally {
            jvm.destroyForcibly();
        }
    }
}
