package org.vmckpt.cow.rollback;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

/** That a new QEMU has no more rights than the one whose place it takes. */
final class QemuUser {
    private static final String USER_LINE = "Uid:";

    private QemuUser() {}

    /**
     * Refuses a QEMU that was started as another user than this process is.
     *
     * @param arguments of the new QEMU, one of which may have it become that user
     */
    static void require(long oldPid, List<String> arguments) throws VmckptException {
        String old = userOf(Long.toString(oldPid));
        if (!old.equals(userOf("self")) && !arguments.toString().contains("-runas")) {
            throw new UnsupportedException(
                    "rollback of the guest with QEMU pid %d: it runs as user %s, and the new QEMU would run as this command does: give --arg '-runas USER'"
                            .formatted(oldPid, old));
        }
    }

    /** The one whose rights count. */
    private static String userOf(String process) throws VmckptException {
        Path status = Path.of("/proc", process, "status");
        try {
            for (String line : Files.readAllLines(status)) {
                if (line.startsWith(USER_LINE)) {
                    return line.split("\\s+", -1)[2];
                }
            }
            throw new IOException("it has no line " + USER_LINE);
        } catch (IOException e) {
            throw new NotFoundException("rollback: reading " + status + ": " + e, e);
        }
    }
}
