package org.vmckpt.testvm.bench;

import java.nio.file.Path;
import java.time.Duration;
import java.util.OptionalDouble;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.libvirt.LibvirtHost;
import org.vmckpt.core.libvirt.MonitorBridge;
import org.vmckpt.core.qmp.EventWaiter;
import org.vmckpt.core.qmp.QmpClient;

/**
 * How long a domain stands still, whoever stops it: from the time that QEMU gave its first STOP
 * event to that of its first RESUME event, which may come from another QEMU. It listens through
 * libvirtd.
 */
final class PauseWatch implements AutoCloseable {
    private static final Duration LIMIT = Duration.ofSeconds(10);

    private final MonitorBridge bridge;
    private final QmpClient qmp;
    private final EventWaiter stopped;
    private final EventWaiter resumed;

    private PauseWatch(MonitorBridge bridge, QmpClient qmp) {
        this.bridge = bridge;
        this.qmp = qmp;
        this.stopped = qmp.waitFor("STOP event", event -> event.is("STOP"));
        this.resumed = qmp.waitFor("RESUME event", event -> event.is("RESUME"));
    }

    /** To be called while the domain runs. */
    static PauseWatch start(String uri, String domain, Path folder) throws VmckptException {
        try (LibvirtHost host = LibvirtHost.connect(uri)) {
            MonitorBridge bridge =
                    MonitorBridge.listen(
                            folder.resolve("pause.sock"), uri, host.domain(domain).uuid());
            boolean connected = false;
            try {
                PauseWatch watch =
                        new PauseWatch(bridge, QmpClient.connect(bridge.socket(), LIMIT));
                connected = true;
                return watch;
            } finally {
                if (!connected) {
                    bridge.close();
                }
            }
        }
    }

    /** Milliseconds; empty when the domain was not stopped, or still stands. */
    OptionalDouble pause() throws VmckptException {
        if (!resumed.happensWithin(LIMIT) || !stopped.happened()) {
            return OptionalDouble.empty();
        }
        return OptionalDouble.of(
                Millis.between(stopped.await(LIMIT).timestamp(), resumed.await(LIMIT).timestamp()));
    }

    @Override
    public void close() throws VmckptException {
        stopped.close();
        resumed.close();
        qmp.close();
        bridge.close();
    }
}
