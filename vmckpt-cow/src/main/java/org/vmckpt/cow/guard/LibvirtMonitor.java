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
 */
record LibvirtMonitor(Path socket, Path process) {

    /**
     * Connects once, so that all is loaded when it is needed.
     *
     * @param monitor {@code libvirt:}, QEMU's pid, {@code :}, the domain's UUID, {@code @} and
     *     libvirt's URI
     */
    static LibvirtMonitor open(String monitor, Path folder) throws IOException {
        int colon = monitor.indexOf(':', GuardMain.LIBVIRT.length());
        int end = monitor.indexOf('@');
        String pid = monitor.substring(GuardMain.LIBVIRT.length(), colon);
        UUID domain = UUID.fromString(monitor.substring(colon + 1, end));
        String uri = monitor.substring(end + 1);
        try (LibvirtHost host = LibvirtHost.connect(uri)) {
            host.domain(domain.toString());
            Path socket = folder.resolve("guard-qmp.sock");
            return new LibvirtMonitor(
                    MonitorBridge.listen(socket, uri, domain).socket(), Path.of("/proc", pid));
        } catch (VmckptException e) {
            throw new IOException(e);
        }
    }
}
