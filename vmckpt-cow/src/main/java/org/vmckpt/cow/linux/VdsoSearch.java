package org.vmckpt.cow.linux;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Finds a {@code syscall} instruction in the code that the kernel maps into every process. */
final class VdsoSearch {
    private static final int LIMIT_BYTES = 1 << 20;

    private VdsoSearch() {}

    static long syscallInstruction(Syscalls syscalls, int pid) throws ErrnoException {
        String detail = "the vdso of process " + pid;
        long[] range = range(pid, detail);
        ByteBuffer code = ByteBuffer.allocate((int) Math.min(LIMIT_BYTES, range[1] - range[0]));
        long fd = syscalls.open("/proc/" + pid + "/mem", Abi.O_RDONLY | Abi.O_CLOEXEC);
        ErrnoException.check(fd, "open", "/proc/" + pid + "/mem");
        try (GuestFile memory = new GuestFile(syscalls, new Fd(syscalls, (int) fd), detail)) {
            memory.pread(code, range[0]);
        }
        for (int i = 0; i + 1 < code.position(); i++) {
            if (code.get(i) == 0x0F && code.get(i + 1) == 0x05) {
                return range[0] + i;
            }
        }
        throw new ErrnoException("search for a syscall instruction", Errno.ENOENT, detail);
    }

    private static long[] range(int pid, String detail) throws ErrnoException {
        try {
            List<String> maps = Files.readAllLines(Path.of("/proc/" + pid + "/maps"));
            for (String line : maps) {
                if (line.endsWith("[vdso]")) {
                    String[] ends = line.substring(0, line.indexOf(' ')).split("-", 2);
                    return new long[] {
                        Long.parseUnsignedLong(ends[0], 16), Long.parseUnsignedLong(ends[1], 16)
                    };
                }
            }
        } catch (IOException unreadable) {
            throw new ErrnoException("read", Errno.EACCES, detail);
        }
        throw new ErrnoException("search", Errno.ENOENT, detail);
    }
}
