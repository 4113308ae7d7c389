package org.vmckpt.core.libvirt;

import com.sun.jna.Pointer;
import java.nio.file.Path;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import org.libvirt.Connect;
import org.libvirt.Domain;
import org.libvirt.LibvirtException;
import org.libvirt.jna.ConnectionPointer;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

/** A connection to one libvirtd. Safe for several threads. */
public final class LibvirtHost implements AutoCloseable {
    public static final String DEFAULT_URI = "qemu:///system";

    private static final Pattern UUID_TEXT =
            Pattern.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}");

    private final String uri;
    private final Connection connection;

    /** Native code refers to them: they must not be collected. */
    private final Set<MonitorEvents.Listener> listeners = ConcurrentHashMap.newKeySet();

    /** Each would hold the connection to libvirtd open until it is collected. */
    private final Set<Domain> handles =
            Collections.synchronizedSet(Collections.newSetFromMap(new IdentityHashMap<>()));

    private LibvirtHost(String uri, Connection connection) {
        this.uri = uri;
        this.connection = connection;
    }

    /** libvirt-java shows the pointer to its heirs only. */
    private static final class Connection extends Connect {
        Connection(String uri) throws LibvirtException {
            super(uri);
        }

        ConnectionPointer pointer() {
            return vcp;
        }
    }

    /**
     * Connects.
     *
     * @param uri libvirt's, for example {@code qemu:///system}; a guest can be checkpointed only by
     *     a vmckpt on its own host
     * @throws UnsupportedException when libvirt's library is not installed
     * @throws TransportException when no libvirtd answers
     */
    public static LibvirtHost connect(String uri) throws VmckptException {
        try {
            EventLoop.start();
            return new LibvirtHost(uri, new Connection(uri));
        } catch (LibvirtException e) {
            throw new TransportException(
                    "connecting to libvirt at "
                            + uri
                            + ": "
                            + e.getMessage()
                            + "; check that libvirtd or virtqemud runs, or give another URI with"
                            + " --connect",
                    e);
        } catch (LinkageError e) {
            throw new UnsupportedException(
                    "connecting to libvirt at "
                            + uri
                            + ": its library cannot be loaded ("
                            + e.getMessage()
                            + "); install the package libvirt0",
                    e);
        }
    }

    /**
     * A domain, running or not.
     *
     * @param nameOrUuid what looks like a UUID is one
     */
    public LibvirtDomain domain(String nameOrUuid) throws VmckptException {
        try {
            Domain domain =
                    UUID_TEXT.matcher(nameOrUuid).matches()
                            ? connection.domainLookupByUUID(UUID.fromString(nameOrUuid))
                            : connection.domainLookupByName(nameOrUuid);
            handles.add(domain);
            return new LibvirtDomain(
                    this, domain, domain.getName(), UUID.fromString(domain.getUUIDString()));
        } catch (LibvirtException e) {
            throw LibvirtErrors.of("looking for domain " + nameOrUuid + " at " + uri, e);
        }
    }

    /** Like {@link #domain}, for one that need not exist. */
    public Optional<LibvirtDomain> find(String nameOrUuid) throws VmckptException {
        try {
            return Optional.of(domain(nameOrUuid));
        } catch (NotFoundException e) {
            return Optional.empty();
        }
    }

    /** Starts a domain from a save file; it is gone again when it ends, unless it is defined. */
    public void restore(Path saveFile) throws VmckptException {
        try {
            connection.restore(saveFile.toString());
        } catch (LibvirtException e) {
            throw LibvirtErrors.of("restoring a domain at " + uri, e);
        }
    }

    /** Makes a definition stay. */
    public void define(String xml) throws VmckptException {
        try {
            connection.domainDefineXML(xml);
        } catch (LibvirtException e) {
            throw LibvirtErrors.of("defining a domain at " + uri, e);
        }
    }

    public String uri() {
        return uri;
    }

    Connect connect() {
        return connection;
    }

    boolean isAlive() {
        try {
            return connection.isAlive();
        } catch (LibvirtException e) {
            return false;
        }
    }

    /** Who hears of one event of the QEMU of some domain. */
    interface EventListener {
        void happened(String event, long seconds, int micros, String details);
    }

    /** What lasts until it is closed. */
    interface Subscription extends AutoCloseable {
        @Override
        void close();
    }

    /** Hears of all events of QEMUs, on the event loop's thread, until closed. */
    Subscription subscribe(UUID wanted, EventListener listener) throws VmckptException {
        MonitorEvents.Listener callback =
                (conn, domain, event, seconds, micros, details, opaque) -> {
                    if (uuidOf(domain).equals(wanted)) {
                        listener.happened(event, seconds, micros, details == null ? "" : details);
                    }
                };
        listeners.add(callback);
        int number =
                MonitorEvents.INSTANCE.virConnectDomainQemuMonitorEventRegister(
                        connection.pointer(), null, null, callback, null, null, 0);
        if (number < 0) {
            listeners.remove(callback);
            throw new TransportException(
                    "listening to QEMU through libvirt at "
                            + uri
                            + ": refused; it needs a connection that may write, to libvirt 1.2.3"
                            + " or later");
        }
        return () ->
                MonitorEvents.INSTANCE.virConnectDomainQemuMonitorEventDeregister(
                        connection.pointer(), number);
    }

    private static UUID uuidOf(Pointer domain) {
        byte[] uuid = new byte[16];
        DomainIdentity.INSTANCE.virDomainGetUUID(domain, uuid);
        java.nio.ByteBuffer bytes = java.nio.ByteBuffer.wrap(uuid);
        return new UUID(bytes.getLong(), bytes.getLong());
    }

    @Override
    public void close() {
        try {
            for (Domain domain : List.copyOf(handles)) {
                domain.free();
            }
            connection.close();
        } catch (LibvirtException e) {
            // Nothing that was asked for is lost by it.
        }
    }
}
