package org.vmckpt.cow.linux;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/**
 * Keeps idle processors from sleeping while a guest depends on how fast threads wake each other.
 *
 * <p>It is the kernel's PM QoS request on /dev/cpu_dma_latency. To wake a sleeping processor takes
 * 25 µs in a virtual machine and up to 100 µs elsewhere, and a write that waits for us pays that
 * twice. The request ends with the descriptor, so also when the process is killed. Idle processors
 * of the whole host spin meanwhile: hold it for fractions of a second.
 */
public final class WakeLatency implements AutoCloseable {
    private static final Path REQUESTS = Path.of("/dev/cpu_dma_latency");
    private static final byte[] ZERO_MICROS = new byte[Integer.BYTES];

    private @Nullable OutputStream request;

    private WakeLatency(@Nullable OutputStream request) {
        this.request = request;
    }

    /** As short as it gets; nothing changes where we are not allowed to ask for it. */
    public static WakeLatency shortest() {
        try {
            OutputStream opened = Files.newOutputStream(REQUESTS, StandardOpenOption.WRITE);
            opened.write(ZERO_MICROS);
            return new WakeLatency(opened);
        } catch (IOException notHere) {
            return new WakeLatency(null);
        }
    }

    /** Twice is harmless. */
    @Override
    public void close() {
        if (request != null) {
            try {
                request.close();
            } catch (IOException e) {
                // The descriptor is gone all the same.
            }
            request = null;
        }
    }
}
