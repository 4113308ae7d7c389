package org.vmckpt.cow.checkpoint;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.Manifest.GuestDefinition;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.definition.GuestDefinitionReader;
import org.vmckpt.cow.disk.DiskChains;
import org.vmckpt.cow.disk.DiskFork;
import org.vmckpt.cow.disk.GuestDisk;
import org.vmckpt.cow.disk.LibvirtChains;
import org.vmckpt.cow.disk.LibvirtFork;
import org.vmckpt.cow.disk.MonitorChains;
import org.vmckpt.cow.disk.OverlayFork;
import org.vmckpt.cow.linux.Errno;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.UnixPeer;

/**
 * The exclusive hold on one guest: its QEMU's pid, its monitor, and the lock on both.
 *
 * @param libvirt what it takes more to hold a domain of libvirt
 */
public record GuestSession(long pid, QmpClient qmp, GuestLock lock, Optional<LibvirtGuest> libvirt)
        implements AutoCloseable {
    private static final Duration CONNECT_LIMIT = Duration.ofSeconds(3);

    /**
     * Takes hold of a guest.
     *
     * @throws NotFoundException when no QEMU listens there, or there is no such domain
     * @throws ConflictException when somebody else holds the guest or its monitor
     * @throws UnsupportedException when the socket is not one that QEMU opened
     */
    public static GuestSession open(GuestAddress address) throws VmckptException {
        return switch (address) {
            case GuestAddress.Qmp(Path socket) -> open(socket);
            case GuestAddress.Libvirt domain -> open(domain);
        };
    }

    private static GuestSession open(GuestAddress.Libvirt address) throws VmckptException {
        LibvirtGuest guest = LibvirtGuest.open(address);
        @Nullable QmpClient qmp = null;
        try {
            qmp = guest.connect();
            long pid = guest.pid(qmp);
            GuestLock lock = GuestLock.acquire(pid);
            FreezeNote.thawLeft(pid);
            return new GuestSession(pid, qmp, lock, Optional.of(guest));
        } catch (VmckptException e) {
            if (qmp != null) {
                qmp.close();
            }
            guest.close();
            throw e;
        }
    }

    private static GuestSession open(Path qmpSocket) throws VmckptException {
        long pid = pidOf(qmpSocket);
        requireQemu(pid, qmpSocket);
        GuestLock lock = GuestLock.acquire(pid);
        FreezeNote.thawLeft(pid);
        try {
            return new GuestSession(
                    pid, QmpClient.connect(qmpSocket, CONNECT_LIMIT), lock, Optional.empty());
        } catch (VmckptException e) {
            lock.close();
            throw e;
        }
    }

    private static long pidOf(Path qmpSocket) throws VmckptException {
        try {
            return UnixPeer.pidOf(qmpSocket);
        } catch (ErrnoException e) {
            if (e.errno() == Errno.EAGAIN) {
                throw new ConflictException(
                        "reach the guest over "
                                + qmpSocket
                                + ": QEMU has left other connections waiting there; most likely"
                                + " another client holds the socket, because QEMU serves one QMP"
                                + " client at a time; close that client or give the guest a second"
                                + " QMP socket",
                        e);
            }
            throw new NotFoundException(
                    "reach the guest over "
                            + qmpSocket
                            + ": no QEMU listens there ("
                            + e.getMessage()
                            + "); give the path of the guest's QMP socket as qmp:/path/to.sock",
                    e);
        }
    }

    /** A socket that was opened by another process, libvirtd for example, names that process. */
    private static void requireQemu(long pid, Path qmpSocket) throws VmckptException {
        String name;
        try {
            name = Files.readString(Path.of("/proc", Long.toString(pid), "comm")).strip();
        } catch (IOException e) {
            name = "unknown";
        }
        if (!name.startsWith("qemu") && !name.startsWith("kvm")) {
            throw new UnsupportedException(
                    "reach the guest over "
                            + qmpSocket
                            + ": the socket belongs to process "
                            + pid
                            + " ("
                            + name
                            + "), not to a QEMU; give a socket that QEMU itself opened with -qmp"
                            + " unix:...");
        }
    }

    /** By which the guard reaches the guest without us. */
    String monitor() {
        return libvirt.map(it -> it.monitor(pid))
                .orElseGet(() -> pid + ":" + qmp.socketPath().toAbsolutePath());
    }

    /** How to start an equal guest. */
    GuestDefinition definition() throws VmckptException {
        GuestDefinition read = GuestDefinitionReader.read(pid, qmp);
        return libvirt.map(it -> read.reachedBy(it.reference())).orElse(read);
    }

    /**
     * Refuses while libvirt migrates or saves it: neither knows of the settings that a checkpoint
     * makes, and would fail for them. A session lives longer than one checkpoint.
     */
    void requireNoJob() throws VmckptException {
        if (libvirt.isPresent()) {
            libvirt.get().domain().requireNoJob();
        }
    }

    /** What libvirt would need to define it, without overlays of ours. */
    Optional<String> domainXml(List<GuestDisk> disks) throws VmckptException {
        return libvirt.isPresent()
                ? Optional.of(LibvirtChains.definition(libvirt.get().domain(), disks))
                : Optional.empty();
    }

    /** Prepares the fork of its disks. */
    DiskFork prepareFork(List<GuestDisk> disks, CheckpointId id) throws VmckptException {
        return libvirt.isPresent()
                ? LibvirtFork.prepare(qmp, pid, libvirt.get().domain(), disks, id)
                : OverlayFork.prepare(qmp, disks, id);
    }

    /** Who shortens the chains of its disks. */
    DiskChains chains() {
        return libvirt.<DiskChains>map(it -> new LibvirtChains(it.domain()))
                .orElseGet(() -> new MonitorChains(qmp));
    }

    @Override
    public void close() {
        qmp.close();
        libvirt.ifPresent(LibvirtGuest::close);
        lock.close();
    }
}
