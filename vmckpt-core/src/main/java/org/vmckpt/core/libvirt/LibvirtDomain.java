package org.vmckpt.core.libvirt;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.locks.LockSupport;
import org.libvirt.Domain;
import org.libvirt.DomainBlockJobInfo;
import org.libvirt.DomainJobInfo;
import org.libvirt.Error.ErrorNumber;
import org.libvirt.LibvirtException;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;

/** One guest of libvirt. What changes its disks goes through here, so that libvirt knows. */
public final class LibvirtDomain {
    // libvirt-domain.h, libvirt-domain-snapshot.h
    private static final int XML_SECURE = 1;
    private static final int XML_MIGRATABLE = 8;
    private static final int SNAPSHOT_NO_METADATA = 1 << 2;
    private static final int SNAPSHOT_DISK_ONLY = 1 << 4;
    private static final int SNAPSHOT_REUSE_EXTERNAL = 1 << 5;
    private static final int SNAPSHOT_ATOMIC = 1 << 7;
    private static final int COMMIT_ACTIVE = 1 << 2;
    private static final int ABORT_PIVOT = 1 << 1;

    private static final Duration COMMIT_LIMIT = Duration.ofHours(6);
    private static final long SHORTEST_POLL_NANOS = 2_000_000;
    private static final long LONGEST_POLL_NANOS = 100_000_000;

    private final LibvirtHost host;
    private final Domain domain;
    private final String name;
    private final UUID uuid;

    LibvirtDomain(LibvirtHost host, Domain domain, String name, UUID uuid) {
        this.host = host;
        this.domain = domain;
        this.name = name;
        this.uuid = uuid;
    }

    public String name() {
        return name;
    }

    public UUID uuid() {
        return uuid;
    }

    public LibvirtHost host() {
        return host;
    }

    public boolean isActive() throws VmckptException {
        try {
            return domain.isActive() == 1;
        } catch (LibvirtException e) {
            throw failure("asking about", e);
        }
    }

    /** Its definition as it runs, in the form that libvirt itself puts into a save file. */
    public String definition() throws VmckptException {
        return xml(XML_SECURE | XML_MIGRATABLE);
    }

    private String xml(int flags) throws VmckptException {
        try {
            return domain.getXMLDesc(flags);
        } catch (LibvirtException e) {
            throw failure("reading the definition of", e);
        }
    }

    /** Which file each disk writes, as libvirt sees it now: {@code vda} and its file. */
    public Map<String, Path> diskFiles() throws VmckptException {
        return DomainXml.parse(xml(0)).diskFiles();
    }

    /**
     * Refuses a domain that somebody else works on.
     *
     * @throws RefusedException when it migrates, is saved or dumped, or takes a snapshot
     */
    public void requireNoJob() throws VmckptException {
        try {
            DomainJobInfo job = domain.getJobInfo();
            if (job.getType() != 0) {
                throw new RefusedException(
                        "looking at domain "
                                + name
                                + ": libvirt is at a job of it (a migration, save, dump or"
                                + " snapshot); wait until it has ended, or end it (virsh"
                                + " domjobinfo, virsh domjobabort)");
            }
        } catch (LibvirtException e) {
            throw failure("asking for jobs of", e);
        }
    }

    /** Ends it at once, as if its plug were pulled. */
    public void destroy() throws VmckptException {
        try {
            domain.destroy();
        } catch (LibvirtException e) {
            throw failure("ending", e);
        }
    }

    /** Passes one QMP command to QEMU; the answer is QEMU's own. */
    String monitorCommand(String command) throws LibvirtException {
        return domain.qemuMonitorCommand(command, 0);
    }

    /**
     * A new file that one disk writes from now on.
     *
     * @param target libvirt's name of the disk: {@code vda}
     */
    public record NewLayer(String target, Path file) {}

    /** Makes the disks go on in qcow2 files that are there already; the guest may run. */
    public void fork(List<NewLayer> layers) throws VmckptException {
        try {
            int flags =
                    SNAPSHOT_DISK_ONLY
                            | SNAPSHOT_NO_METADATA
                            | SNAPSHOT_REUSE_EXTERNAL
                            | SNAPSHOT_ATOMIC;
            String xml = DomainXml.snapshot(layers, diskFiles().keySet());
            // The handle would keep the connection open until it is collected.
            domain.snapshotCreateXML(xml, flags).free();
        } catch (LibvirtException e) {
            throw failure("forking the disks of", e);
        }
    }

    /** Folds the files from above {@code base} up to {@code top}, which is not written, into it. */
    public void commit(String target, Path base, Path top, ProgressListener progress)
            throws VmckptException {
        begin(target, base.toString(), top.toString(), 0);
        long nap = SHORTEST_POLL_NANOS;
        long start = System.nanoTime();
        while (isWorking(target, progress)) {
            nap = sleep(target, start, nap);
        }
    }

    /** Folds everything above {@code base} into it, and goes on in it. */
    public void commitActive(String target, Path base, ProgressListener progress)
            throws VmckptException {
        begin(target, base.toString(), null, COMMIT_ACTIVE);
        long nap = SHORTEST_POLL_NANOS;
        long start = System.nanoTime();
        while (!pivots(target, progress)) {
            nap = sleep(target, start, nap);
        }
    }

    private void begin(
            String target, String base, @org.jspecify.annotations.Nullable String top, int flags)
            throws VmckptException {
        try {
            domain.blockCommit(target, base, top, 0, flags);
        } catch (LibvirtException e) {
            throw failure("folding disk " + target + " of", e);
        }
    }

    private boolean isWorking(String target, ProgressListener progress) throws VmckptException {
        try {
            DomainBlockJobInfo job = domain.getBlockJobInfo(target, 0);
            if (job == null || job.type == 0) {
                return false;
            }
            progress.update("fold disk " + target, job.cur, job.end, "bytes");
            return true;
        } catch (LibvirtException e) {
            throw failure("folding disk " + target + " of", e);
        }
    }

    private boolean pivots(String target, ProgressListener progress) throws VmckptException {
        try {
            DomainBlockJobInfo job = domain.getBlockJobInfo(target, 0);
            if (job == null || job.type == 0) {
                throw new TransportException(
                        "folding disk "
                                + target
                                + " of domain "
                                + name
                                + ": somebody else ended the job, or it failed; the guest runs on");
            }
            progress.update("fold disk " + target, job.cur, job.end, "bytes");
            if (job.cur != job.end) {
                return false;
            }
            domain.blockJobAbort(target, ABORT_PIVOT);
            return true;
        } catch (LibvirtException e) {
            // All may be copied a moment before QEMU has told libvirt so.
            if (LibvirtErrors.code(e) == ErrorNumber.VIR_ERR_BLOCK_COPY_ACTIVE) {
                return false;
            }
            throw failure("folding disk " + target + " of", e);
        }
    }

    private long sleep(String target, long startNanos, long napNanos) throws VmckptException {
        if (System.nanoTime() - startNanos > COMMIT_LIMIT.toNanos()) {
            throw new TransportException(
                    "folding disk " + target + " of domain " + name + ": still at it after 6 h");
        }
        LockSupport.parkNanos(napNanos);
        return Math.min(2 * napNanos, LONGEST_POLL_NANOS);
    }

    private VmckptException failure(String operation, LibvirtException e) {
        return LibvirtErrors.of(operation + " domain " + name, e);
    }
}
