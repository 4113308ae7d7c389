package org.vmckpt.cow.checkpoint;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.linux.Errno;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.UnixPeer;

/** The exclusive hold on one guest: its QEMU's pid, its monitor, and the lock on both. */
public record GuestSession(long pid, QmpClient qmp, GuestLock lock) implements AutoCloseable {
    private static final Duration CONNECT_LIMIT = Duration.ofSeconds(3);

    /**
     * Takes hold of a guest.
     *
     * @throws NotFoundException when no QEMU listens there
     * @throws ConflictException when somebody else holds the guest or its monitor
     * @throws UnsupportedException when the socket is not one that QEMU opened
     */
    public static GuestSession open(Path qmpSocket) throws VmckptException {
        long pid = pidOf(qmpSocket);
        requireQemu(pid, qmpSocket);
        GuestLock lock = GuestLock.acquire(pid);
        FreezeNote.thawLeft(pid);
        try {
            return new GuestSession(pid, QmpClient.connect(qmpSocket, CONNECT_LIMIT), lock);
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

    @Override
    public void close() {
        qmp.close();
        lock.close();
    }
}
