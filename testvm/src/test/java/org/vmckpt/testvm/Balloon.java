package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.vmckpt.core.Json;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/** A guest's balloon, moved over one of its monitors. */
record Balloon(QmpClient qmp) {
    static final List<String> DEVICE = List.of("-device", "virtio-balloon-pci,id=balloon");

    private static final Duration SOON = Duration.ofSeconds(60);
    private static final long POLL_NANOS = 20_000_000;

    /** What the guest has at present. */
    long actual() throws VmckptException {
        return qmp.execute("query-balloon").path("actual").asLong();
    }

    /** Asks the guest to make do with so much memory. */
    void leave(long bytes) {
        try {
            qmp.execute("balloon", Json.MAPPER.createObjectNode().put("value", bytes));
        } catch (VmckptException e) {
            throw new IllegalStateException(e);
        }
    }

    /** As {@link #leave}, and waits until the guest does. */
    void leaveAndAwait(long bytes) throws VmckptException {
        leave(bytes);
        await(bytes);
    }

    void await(long bytes) throws VmckptException {
        long deadline = System.nanoTime() + SOON.toNanos();
        while (actual() != bytes) {
            assertThat(System.nanoTime()).as("the balloon moves").isLessThan(deadline);
            LockSupport.parkNanos(POLL_NANOS);
        }
    }
}
