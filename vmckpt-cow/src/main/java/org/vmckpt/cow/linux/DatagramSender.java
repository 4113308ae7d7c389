package org.vmckpt.cow.linux;

import java.nio.charset.StandardCharsets;

/** A datagram socket that sends to one address; Java has none for Unix sockets. */
public final class DatagramSender implements AutoCloseable {
    /** What fits the scratch memory that a message is sent from. */
    public static final int MAX_BYTES = 400;

    private static final String ABSTRACT = "@";

    private final Syscalls syscalls = FfmSyscalls.INSTANCE;
    private final Fd fd;
    private final String address;

    private DatagramSender(Fd fd, String address) {
        this.fd = fd;
        this.address = address;
    }

    /**
     * Makes a socket that sends to an address.
     *
     * @param address a path, or {@code @} and a name outside of the file system
     * @throws ErrnoException ENOENT or ECONNREFUSED when nobody receives there
     */
    public static DatagramSender connect(String address) throws ErrnoException {
        Syscalls syscalls = FfmSyscalls.INSTANCE;
        byte[] path = address.getBytes(StandardCharsets.UTF_8);
        if (path.length == 0 || path.length >= Abi.SOCKADDR_UN_SIZE - Abi.SOCKADDR_UN_PATH) {
            throw new ErrnoException("connect", Errno.EINVAL, "address " + address);
        }
        long number = syscalls.socket(Abi.AF_UNIX, Abi.SOCK_DGRAM | Abi.SOCK_CLOEXEC, 0);
        Fd fd = new Fd(syscalls, (int) ErrnoException.check(number, "socket", "AF_UNIX"));
        Scratch scratch = Scratch.current();
        scratch.clear();
        scratch.putShort(0, (short) Abi.AF_UNIX);
        for (int i = 0; i < path.length; i++) {
            scratch.putByte(Abi.SOCKADDR_UN_PATH + i, path[i]);
        }
        if (address.startsWith(ABSTRACT)) {
            scratch.putByte(Abi.SOCKADDR_UN_PATH, (byte) 0);
        }
        // The length counts: zeros would be part of an abstract name.
        int length = Abi.SOCKADDR_UN_PATH + path.length;
        long result = syscalls.connect(fd.number(), scratch.address(), length);
        if (result < 0) {
            fd.close();
        }
        ErrnoException.check(result, "connect", address);
        return new DatagramSender(fd, address);
    }

    /** Sends one message; what is longer than {@link #MAX_BYTES} is cut off. */
    public void send(String message) throws ErrnoException {
        byte[] bytes = message.getBytes(StandardCharsets.UTF_8);
        int length = Math.min(bytes.length, MAX_BYTES);
        Scratch scratch = Scratch.current();
        for (int i = 0; i < length; i++) {
            scratch.putByte(i, bytes[i]);
        }
        long result;
        do {
            result = syscalls.write(fd.number(), scratch.address(), length);
        } while (result == -Errno.EINTR);
        ErrnoException.check(result, "write", address);
    }

    @Override
    public void close() {
        fd.close();
    }
}
