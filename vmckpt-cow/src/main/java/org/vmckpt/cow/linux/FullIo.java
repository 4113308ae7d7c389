package org.vmckpt.cow.linux;

/**
 * Reads and writes that are complete: an interrupted call (EINTR) and one that the kernel asks to
 * repeat (EAGAIN) are repeated, a short one goes on where it stopped.
 */
final class FullIo {
    /** EAGAIN of a regular file is transient; this many in a row are a broken kernel. */
    static final int EAGAIN_LIMIT = 1000;

    private FullIo() {}

    /**
     * Reads up to {@code count} bytes; fewer only at the end of the file.
     *
     * @return bytes read, or a negative errno
     */
    static long pread(Syscalls syscalls, int fd, long address, long count, long offset) {
        long done = 0;
        int refusals = 0;
        while (done < count) {
            long result = syscalls.pread(fd, address + done, count - done, offset + done);
            if (result == 0) {
                break;
            } else if (result > 0) {
                done += result;
                refusals = 0;
            } else if (!isTransient(result) || ++refusals > EAGAIN_LIMIT) {
                return result;
            }
        }
        return done;
    }

    /**
     * Writes all {@code count} bytes.
     *
     * @return {@code count}, or a negative errno; -EIO when the kernel writes nothing
     */
    static long pwrite(Syscalls syscalls, int fd, long address, long count, long offset) {
        long done = 0;
        int refusals = 0;
        while (done < count) {
            long result = syscalls.pwrite(fd, address + done, count - done, offset + done);
            if (result > 0) {
                done += result;
                refusals = 0;
            } else if (result == 0) {
                return -Errno.EIO;
            } else if (!isTransient(result) || ++refusals > EAGAIN_LIMIT) {
                return result;
            }
        }
        return done;
    }

    private static boolean isTransient(long result) {
        return result == -Errno.EINTR || result == -Errno.EAGAIN;
    }
}
