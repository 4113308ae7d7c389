package org.vmckpt.cow.disk;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.libvirt.DomainXml;
import org.vmckpt.core.libvirt.LibvirtDomain;

/** libvirt shortens the chains, and its definition of the domain follows. */
public record LibvirtChains(LibvirtDomain domain) implements DiskChains {

    @Override
    public void fold(GuestDisk disk, DiskLayer parent, DiskLayer top, ProgressListener progress)
            throws VmckptException {
        domain.commit(target(disk.active().path(), disk), parent.path(), top.path(), progress);
    }

    @Override
    public void foldActive(GuestDisk disk, Path active, DiskLayer parent, ProgressListener progress)
            throws VmckptException {
        domain.commitActive(target(active, disk), parent.path(), progress);
        FileSync.file(parent.hostPath());
    }

    private String target(Path active, GuestDisk disk) throws VmckptException {
        return targetOf(active, disk.name(), domain.diskFiles());
    }

    /**
     * A domain's definition in which each disk names the file that it had before any overlay of
     * ours: the name by which a checkpoint knows it.
     */
    public static String definition(LibvirtDomain domain, List<GuestDisk> disks)
            throws VmckptException {
        DomainXml xml = DomainXml.parse(domain.definition());
        Map<String, Path> known = domain.diskFiles();
        for (GuestDisk disk : disks) {
            if (disk.volume().isEmpty()) {
                xml.setDiskFile(targetOf(disk, known), disk.origin().path(), disk.format());
            }
        }
        return xml.text();
    }

    /** libvirt's name of a disk: {@code vda}. */
    static String targetOf(GuestDisk disk, Map<String, Path> known) throws RefusedException {
        return targetOf(disk.active().path(), disk.name(), known);
    }

    private static String targetOf(Path active, String disk, Map<String, Path> known)
            throws RefusedException {
        for (Map.Entry<String, Path> entry : known.entrySet()) {
            if (entry.getValue().normalize().equals(active)) {
                return entry.getKey();
            }
        }
        throw new RefusedException(
                "looking at disk "
                        + disk
                        + ": QEMU writes "
                        + active
                        + ", which is no disk of the domain as libvirt sees it "
                        + known
                        + "; somebody changed it through the monitor; shut the domain off and mend"
                        + " its definition first");
    }

    /** libvirt has taken it out of QEMU. */
    @Override
    public void delete(DiskLayer overlay) throws VmckptException {
        try {
            Files.delete(overlay.hostPath());
        } catch (IOException e) {
            throw new StorageException(
                    "deleting folded overlay " + overlay.hostPath() + ": " + e, e);
        }
    }
}
