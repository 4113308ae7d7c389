package org.vmckpt.cow.linux;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * A connection to a Unix socket that tells who listens there. For a socket that a parent made and
 * handed to QEMU, that is the parent.
 */
public final class UnixPeer implements AutoCloseable {
    private final Fd fd;
    private final long pid;

    private UnixPeer(Fd fd, long pid) {
        this.fd = fd;
        this.pid = pid;
    }

    /** The process that listens on a socket; the connection made to learn it is closed again. */
    public static long pidOf(Path socket) throws ErrnoException {
        try (UnixPeer peer = connect(socket)) {
            return peer.pid();
        }
    }

    /**
     * Connects and keeps the connection: QEMU's monitor then serves nobody else.
     *
     * @throws ErrnoException ENOENT without such a socket, ECONNREFUSED when nobody listens, EAGAIN
     *     when connections wait that the listener does not take, EINVAL when the path is longer
     *     than the 107 bytes that a socket address has room for
     */
    public static UnixPeer connect(Path socket) throws ErrnoException {
        Syscalls syscalls = FfmSyscalls.INSTANCE;
        byte[] path = socket.toString().getBytes(StandardCharsets.UTF_8);
        if (path.length >= Abi.SOCKADDR_UN_SIZE - Abi.SOCKADDR_UN_PATH) {
            throw new ErrnoException("connect", Errno.EINVAL, "too long path " + socket);
        }
        // Blocking, connect would wait without limit for room in the queue of a busy listener.
        int type = Abi.SOCK_STREAM | Abi.SOCK_CLOEXEC | Abi.SOCK_NONBLOCK;
        long number = syscalls.socket(Abi.AF_UNIX, type, 0);
        Fd fd = new Fd(syscalls, (int) ErrnoException.check(number, "socket", "AF_UNIX"));
        try {
            connect(syscalls, fd, socket, path);
            return new UnixPeer(fd, peerPid(syscalls, fd, socket));
        } catch (ErrnoException failure) {
            fd.close();
            throw failure;
        }
    }

    private static void connect(Syscalls syscalls, Fd fd, Path socket, byte[] path)
            throws ErrnoException {
        Scratch scratch = Scratch.current();
        long result;
        do {
            scratch.clear();
            scratch.putShort(0, (short) Abi.AF_UNIX);
            for (int i = 0; i < path.length; i++) {
                scratch.putByte(Abi.SOCKADDR_UN_PATH + i, path[i]);
            }
            result = syscalls.connect(fd.number(), scratch.address(), Abi.SOCKADDR_UN_SIZE);
        } while (result == -Errno.EINTR);
        ErrnoException.check(result, "connect", socket.toString());
    }

    private static long peerPid(Syscalls syscalls, Fd fd, Path socket) throws ErrnoException {
        Scratch scratch = Scratch.current();
        int lengthOffset = 16;
        scratch.putInt(lengthOffset, Abi.UCRED_SIZE);
        long result =
                syscalls.getsockopt(
                        fd.number(),
                        Abi.SOL_SOCKET,
                        Abi.SO_PEERCRED,
                        scratch.address(),
                        scratch.address() + lengthOffset);
        ErrnoException.check(result, "getsockopt(SO_PEERCRED)", socket.toString());
        return scratch.getInt(Abi.UCRED_PID);
    }

    public long pid() {
        return pid;
    }

    @Override
    public void close() {
        fd.close();
    }
}
