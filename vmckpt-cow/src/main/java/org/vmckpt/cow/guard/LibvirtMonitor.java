package org.vmckpt.cow.guard;

import java.io.IOException;
import java.nio.file.Path;
import java.util.UUID;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.libvirt.LibvirtHost;
import org.vmckpt.core.libvirt.MonitorBridge;

/**
 * A monitor socket of the guard's own, behind which is libvirt.
 *
 * @param process of the domain's QEMU, in /proc
 * @param folder where it is, beside that of the process that the guard is for
 */
record LibvirtMonitor(MonitorBridge bridge, Path process, Path folder) implements AutoCloseable {

    /**
     * Connects once, so that all is loaded when it is needed.
     *
     * @param monitor {@code libvirt:}, QEMU's pid, the domain's UUID, a folder that only this user
     *     may enter, and libvirt's URI, with colons between them
     */
    static LibvirtMonitor open(String monitor) throws IOException {
        String[] parts = monitor.split(":", 5);
        UUID domain = UUID.fromString(parts[2]);
        Path folder = Path.of(parts[3]);
        String uri = parts[4];
        try (LibvirtHost host = LibvirtHost.connect(uri)) {
            host.domain(domain.toString());
            return new LibvirtMonitor(
                    MonitorBridge.listen(folder.resolve("guard.sock"), uri, domain),
                    Path.of("/proc", parts[1]),
                    folder);
        } catch (VmckptException e) {
            throw new IOException(e);
        }
    }

    Path socket() {
        return bridge.socket();
    }

    @Override
    public void close() {
        bridge.close();
    }
}
