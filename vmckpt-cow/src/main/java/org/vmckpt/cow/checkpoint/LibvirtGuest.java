package org.vmckpt.cow.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.libvirt.LibvirtDomain;
import org.vmckpt.core.libvirt.LibvirtHost;
import org.vmckpt.core.libvirt.MonitorBridge;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.guard.GuardMain;
import org.vmckpt.cow.memory.ProcessStatus;

/** A domain while it is held: the connection to libvirtd, and a monitor that goes through it. */
final class LibvirtGuest implements AutoCloseable {
    private static final Duration CONNECT_LIMIT = Duration.ofSeconds(40);

    private final LibvirtHost host;
    private final LibvirtDomain domain;
    private final Path folder;
    private final MonitorBridge bridge;

    private LibvirtGuest(
            LibvirtHost host, LibvirtDomain domain, Path folder, MonitorBridge bridge) {
        this.host = host;
        this.domain = domain;
        this.folder = folder;
        this.bridge = bridge;
    }

    /** Finds the domain; it is not disturbed. */
    static LibvirtGuest open(GuestAddress.Libvirt address) throws VmckptException {
        LibvirtHost host = LibvirtHost.connect(address.uri());
        try {
            LibvirtDomain domain = host.domain(address.domain());
            if (!domain.isActive()) {
                throw new RefusedException(
                        "reach domain "
                                + domain.name()
                                + ": it is shut off; start it (virsh start "
                                + domain.name()
                                + ")");
            }
            domain.requireNoJob();
            Path folder = makeFolder();
            MonitorBridge bridge =
                    MonitorBridge.listen(folder.resolve("qmp.sock"), address.uri(), domain.uuid());
            return new LibvirtGuest(host, domain, folder, bridge);
        } catch (VmckptException e) {
            host.close();
            throw e;
        }
    }

    private static Path makeFolder() throws StorageException {
        try {
            return RuntimeFolder.makeTemporary("libvirt");
        } catch (IOException e) {
            throw new StorageException(
                    "making a folder for a monitor's socket in " + RuntimeFolder.path() + ": " + e,
                    e);
        }
    }

    LibvirtDomain domain() {
        return domain;
    }

    QmpClient connect() throws VmckptException {
        return QmpClient.connect(bridge.socket(), CONNECT_LIMIT);
    }

    /** By which the guard reaches the guest without us. */
    String monitor(long pid) {
        return GuardMain.LIBVIRT + pid + ":" + domain.uuid() + ":" + folder + ":" + host.uri();
    }

    /** What checkpoints of this guest have in common. */
    String reference() {
        return "libvirt:" + domain.uuid();
    }

    /**
     * Its QEMU's pid. libvirt does not tell it; QEMU tells the threads of its vCPUs.
     *
     * @throws UnsupportedException when that is no QEMU of this host
     */
    long pid(QmpClient qmp) throws VmckptException {
        JsonNode cpus = qmp.execute("query-cpus-fast");
        long thread = cpus.path(0).path("thread-id").asLong(-1);
        long pid =
                ProcessStatus.field(thread, "Tgid")
                        .map(text -> Long.parseLong(text.strip()))
                        .orElse(-1L);
        if (pid < 0 || !isOurs(pid)) {
            throw new UnsupportedException(
                    "reach domain "
                            + domain.name()
                            + " of "
                            + host.uri()
                            + ": its QEMU is not a process that can be seen here (it names thread "
                            + thread
                            + "); run vmckpt as root on the domain's own host, in no container");
        }
        return pid;
    }

    private boolean isOurs(long pid) {
        try {
            Path commandLine = Path.of("/proc", Long.toString(pid), "cmdline");
            String arguments =
                    new String(Files.readAllBytes(commandLine), StandardCharsets.ISO_8859_1);
            return arguments.contains(domain.uuid().toString());
        } catch (IOException e) {
            return false;
        }
    }

    @Override
    public void close() {
        bridge.close();
        try {
            Files.deleteIfExists(folder);
        } catch (IOException e) {
            // An empty folder under /run is all that can stay behind.
        }
        host.close();
    }
}
