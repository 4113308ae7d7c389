package org.vmckpt.cow.memory;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.vmckpt.core.RefusedException;

/**
 * Who else could write guest memory without a fault in QEMU: a process that maps the same file
 * (vhost-user, a DPDK switch), or a device passed through with VFIO.
 */
final class OtherWriters {
    // The longest line has a path of 4096 bytes.
    private static final int BUFFER_BYTES = 64 << 10;

    private final long qemuPid;
    private final Set<Long> takingPart;
    private final byte[] buffer = new byte[BUFFER_BYTES];

    private OtherWriters(long qemuPid, Set<Long> takingPart) {
        this.qemuPid = qemuPid;
        this.takingPart = takingPart;
    }

    static OtherWriters ofEverybodyBut(long qemuPid) {
        return new OtherWriters(qemuPid, Set.of());
    }

    /** But QEMU, and those that ask {@link OutsideWrites} before they write. */
    static OtherWriters ofEverybodyBut(long qemuPid, Set<Long> takingPart) {
        return new OtherWriters(qemuPid, takingPart);
    }

    void refuse(ProcessMapping memory, String backend) throws RefusedException {
        refuseDevices();
        try (DirectoryStream<Path> processes =
                Files.newDirectoryStream(Path.of("/proc"), "[0-9]*")) {
            for (Path process : processes) {
                long pid = Long.parseLong(process.getFileName().toString());
                if (pid != qemuPid && !takingPart.contains(pid) && writes(pid, memory)) {
                    throw new RefusedException(
                            "The guest's memory %s (QEMU pid %d) is also mapped writable by process"
                                            .formatted(backend, qemuPid)
                                    + " %d (%s), whose writes cannot be seen: stop it or detach its"
                                            .formatted(pid, ProcessStatus.nameOf(pid))
                                    + " device first, or use the pause engine");
                }
            }
        } catch (IOException noProc) {
            throw new RefusedException(
                    "Looking for other writers of guest memory: /proc is not readable", noProc);
        }
    }

    private boolean writes(long pid, ProcessMapping memory) {
        List<ProcessMapping> mappings;
        try {
            mappings = ProcessMapping.sharedWritable(pid, buffer);
        } catch (IOException endedMeanwhile) {
            return false;
        }
        return mappings.stream().anyMatch(mapping -> mapping.hasSameFileAs(memory));
    }

    void refuseDevices() throws RefusedException {
        Path folder = Path.of("/proc", Long.toString(qemuPid), "fd");
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
            for (Path entry : entries) {
                if (isVfio(entry)) {
                    throw new RefusedException(
                            "The guest (QEMU pid %d) has a device passed through with VFIO, which"
                                            .formatted(qemuPid)
                                    + " writes guest memory unseen: unplug it first");
                }
            }
        } catch (IOException unreadable) {
            throw new RefusedException(
                    "Looking for passed-through devices: "
                            + folder
                            + " is not readable: run vmckpt"
                            + " as root",
                    unreadable);
        }
    }

    private static boolean isVfio(Path entry) {
        try {
            return Files.readSymbolicLink(entry).toString().startsWith("/dev/vfio/");
        } catch (IOException closedMeanwhile) {
            return false;
        }
    }
}
