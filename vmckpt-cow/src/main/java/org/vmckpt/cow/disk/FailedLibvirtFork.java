package org.vmckpt.cow.disk;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.stream.Collectors;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.libvirt.LibvirtDomain;

/**
 * What becomes of overlays that libvirt was asked to put on disks, when it answered with an error,
 * or not at all. A connection that broke says nothing of what was done: libvirtd may have ended
 * after QEMU had gone over to the overlays, and what the guest writes is in them from then on. So
 * an overlay is deleted only when libvirtd still answers on the same connection, does not name it,
 * and QEMU does not have it open.
 */
final class FailedLibvirtFork {
    private FailedLibvirtFork() {}

    /** Deletes what nobody can use, and returns what is to be thrown. */
    static VmckptException settle(
            VmckptException why, LibvirtDomain domain, long qemuPid, Collection<Overlay> overlays) {
        List<Overlay> kept = new ArrayList<>();
        for (Overlay overlay : overlays) {
            try {
                if (isUsed(overlay, domain, qemuPid)) {
                    kept.add(overlay);
                } else {
                    overlay.deleteFile();
                }
            } catch (IOException | VmckptException e) {
                kept.add(overlay);
                why.addSuppressed(e);
            }
        }
        return kept.isEmpty() ? why : unsure(why, kept, domain);
    }

    private static boolean isUsed(Overlay overlay, LibvirtDomain domain, long qemuPid)
            throws IOException, VmckptException {
        return domain.diskFiles().containsValue(overlay.path())
                || isOpen(qemuPid, overlay.hostPath());
    }

    private static boolean isOpen(long pid, Path file) throws IOException {
        Path folder = Path.of("/proc", Long.toString(pid), "fd");
        try (DirectoryStream<Path> open = Files.newDirectoryStream(folder)) {
            for (Path descriptor : open) {
                if (isSame(descriptor, file)) {
                    return true;
                }
            }
            return false;
        } catch (NoSuchFileException e) {
            return false; // the process is gone
        }
    }

    private static boolean isSame(Path descriptor, Path file) throws IOException {
        try {
            return Files.isSameFile(descriptor, file);
        } catch (NoSuchFileException e) {
            return false; // closed meanwhile
        }
    }

    private static TransportException unsure(
            VmckptException why, List<Overlay> kept, LibvirtDomain domain) {
        String files =
                kept.stream().map(it -> it.path().toString()).collect(Collectors.joining(", "));
        return new TransportException(
                why.getMessage()
                        + "; whether its disks have gone over to the new overlays is not known, so"
                        + " these stay: "
                        + files
                        + "; compare virsh domblklist "
                        + domain.name()
                        + " with what QEMU has open (ls -l /proc/PID/fd) before you delete one",
                why);
    }
}
