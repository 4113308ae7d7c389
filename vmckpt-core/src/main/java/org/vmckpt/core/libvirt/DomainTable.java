package org.vmckpt.core.libvirt;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.function.Consumer;
import org.libvirt.Connect;
import org.libvirt.Domain;
import org.libvirt.LibvirtException;
import org.libvirt.event.DomainEventType;
import org.libvirt.event.LifecycleListener;
import org.vmckpt.core.VmckptException;

/** All domains of one libvirtd, in two calls, and word of when to read them again. */
final class DomainTable {
    // libvirt-domain.h
    private static final int LIST_ALL = 0;
    private static final int LIST_RUNNING = 1 << 4;

    private static final int KEEP_ALIVE_SECONDS = 5;
    private static final int KEEP_ALIVE_COUNT = 4;

    private final LibvirtHost host;
    private final Connect connection;

    DomainTable(LibvirtHost host) {
        this.host = host;
        this.connection = host.connect();
    }

    List<DomainEntry> read() throws VmckptException {
        try {
            Set<UUID> running = new HashSet<>();
            for (Domain domain : connection.listAllDomains(LIST_RUNNING)) {
                running.add(UUID.fromString(domain.getUUIDString()));
                domain.free();
            }
            List<DomainEntry> entries = new ArrayList<>();
            for (Domain domain : connection.listAllDomains(LIST_ALL)) {
                // These three ask nobody: they came with the list.
                UUID uuid = UUID.fromString(domain.getUUIDString());
                int run = domain.getID();
                boolean executes = run >= 0 && running.contains(uuid);
                entries.add(new DomainEntry(domain.getName(), uuid, run, executes));
                domain.free();
            }
            return entries;
        } catch (LibvirtException e) {
            throw LibvirtErrors.of("listing the domains of " + host.uri(), e);
        }
    }

    /**
     * Tells of starts and ends, on the event loop's thread, until closed. A libvirtd that hangs for
     * long is taken for one that has gone.
     */
    LibvirtHost.Subscription subscribe(Consumer<DomainEventType> listener) throws VmckptException {
        LifecycleListener callback =
                (domain, event) -> {
                    // It would keep the connection open until it is collected.
                    free(domain);
                    listener.accept(event.getType());
                    return 0;
                };
        try {
            connection.setKeepAlive(KEEP_ALIVE_SECONDS, KEEP_ALIVE_COUNT);
            connection.addLifecycleListener(callback);
        } catch (LibvirtException e) {
            throw LibvirtErrors.of("listening to libvirt at " + host.uri(), e);
        }
        return () -> {
            try {
                connection.removeLifecycleListener(callback);
            } catch (LibvirtException e) {
                // It has been forgotten here; libvirtd has gone.
            }
        };
    }

    private static void free(Domain domain) {
        try {
            domain.free();
        } catch (LibvirtException e) {
            // Then the collector does it.
        }
    }
}
