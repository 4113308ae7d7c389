package org.vmckpt.cow.memory;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.guard.UserfaultfdSetting;
import org.vmckpt.cow.linux.Errno;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.Fd;
import org.vmckpt.cow.linux.GuestFile;
import org.vmckpt.cow.linux.LinuxPlatform;
import org.vmckpt.cow.linux.PidFd;
import org.vmckpt.cow.linux.Tracee;
import org.vmckpt.cow.linux.Userfaultfd;

/**
 * A userfaultfd over a running QEMU's address space, and the open files behind its guest's memory.
 *
 * <p>Nothing of it stays in QEMU: the descriptor that QEMU's thread made for us is closed there,
 * and when ours is closed, by {@link #close} or by our death, the kernel lifts whatever it
 * protected. Memory is registered only while a capture lives, because from then on a QEMU that
 * discards memory waits for somebody to read of it.
 */
public final class UffdAttachment implements AutoCloseable {
    private final long pid;
    private final Userfaultfd uffd;
    private final List<RamRegion> regions;
    private final List<GuestFile> files;

    private UffdAttachment(
            long pid, Userfaultfd uffd, List<RamRegion> regions, List<GuestFile> files) {
        this.pid = pid;
        this.uffd = uffd;
        this.regions = List.copyOf(regions);
        this.files = files;
    }

    /**
     * Attaches to a QEMU. Its main thread stands still for less than a millisecond.
     *
     * @throws UnsupportedException when a kernel feature or a permission is missing: says which
     * @throws VmckptException Transport when the process ended, Refused when it cannot be done now
     */
    public static UffdAttachment attach(long pid, List<RamRegion> regions) throws VmckptException {
        LinuxPlatform.require();
        requireKernelFeatures();
        List<GuestFile> files = openFiles(pid, regions);
        try {
            return new UffdAttachment(pid, openUserfaultfd(pid), regions, files);
        } catch (VmckptException failure) {
            files.forEach(GuestFile::close);
            throw failure;
        }
    }

    private static void requireKernelFeatures() throws VmckptException {
        long features;
        try {
            features = Userfaultfd.kernelFeatures();
        } catch (ErrnoException missing) {
            throw AttachFailure.ofOwnUserfaultfd(missing);
        }
        requireSharedProtection(features);
    }

    /** Says what is missing in a kernel with these userfaultfd features. */
    static void requireSharedProtection(long features) throws UnsupportedException {
        if (!Userfaultfd.protectsSharedMemory(features)) {
            throw new UnsupportedException(
                    "This kernel cannot write-protect shared memory (userfaultfd features are 0x%x,"
                                    .formatted(features)
                            + " bit 12 is missing): use Linux 5.19 or later with"
                            + " CONFIG_PTE_MARKER_UFFD_WP, or another engine");
        }
    }

    private static List<GuestFile> openFiles(long pid, List<RamRegion> regions)
            throws VmckptException {
        List<GuestFile> files = new ArrayList<>();
        try {
            for (RamRegion region : regions) {
                files.add(GuestFile.openForReading(region.mapFile()));
            }
            return files;
        } catch (ErrnoException failure) {
            files.forEach(GuestFile::close);
            throw AttachFailure.of(pid, failure);
        }
    }

    private static Userfaultfd openUserfaultfd(long pid) throws VmckptException {
        StaleDescriptors stale = StaleDescriptors.of(pid);
        try (PidFd process = AttachFailure.translate(pid, () -> PidFd.open(pid))) {
            Fd fd = AttachFailure.translate(pid, () -> fetchAllowed(pid, process, stale));
            return AttachFailure.translate(pid, () -> Userfaultfd.adopt(fd));
        }
    }

    /** A QEMU without privileges may do it only while a sysctl says so. */
    private static Fd fetchAllowed(long pid, PidFd process, StaleDescriptors stale)
            throws ErrnoException {
        try {
            return Tracee.run(pid, tracee -> fetch(process, tracee, stale));
        } catch (ErrnoException e) {
            boolean forbidden = e.errno() == Errno.EPERM && e.call().equals("userfaultfd");
            if (!forbidden || !UserfaultfdSetting.isOurs()) {
                throw e;
            }
            try (UserfaultfdSetting _ = UserfaultfdSetting.allow()) {
                return Tracee.run(pid, tracee -> fetch(process, tracee, stale));
            } catch (ErrnoException again) {
                throw again;
            } catch (IOException unchanged) {
                e.addSuppressed(unchanged);
                throw e;
            }
        }
    }

    private static Fd fetch(PidFd process, Tracee tracee, StaleDescriptors stale)
            throws ErrnoException {
        // Left by a predecessor that was killed in this very method; harmless, but not ours to
        // keep.
        stale.closeIn(process, tracee);
        int number = tracee.openUserfaultfd();
        try {
            return process.getfd(number);
        } finally {
            tracee.closeDescriptor(number);
        }
    }

    public long pid() {
        return pid;
    }

    public List<RamRegion> regions() {
        return regions;
    }

    Userfaultfd uffd() {
        return uffd;
    }

    GuestFile file(int region) {
        return files.get(region);
    }

    /** Lifts whatever is protected and gives the descriptors up. */
    @Override
    public void close() {
        uffd.close();
        files.forEach(GuestFile::close);
    }
}
