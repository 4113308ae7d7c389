package org.vmckpt.cow.restore;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.Manifest.DiskState;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.libvirt.DomainXml;
import org.vmckpt.core.libvirt.LibvirtHost;
import org.vmckpt.core.libvirt.SaveFile;
import org.vmckpt.core.store.Store;
import org.vmckpt.core.store.StoreHold;
import org.vmckpt.core.stream.DeviceStream;
import org.vmckpt.cow.disk.DiskMaterializer;

/**
 * A checkpoint of a domain with all that libvirt needs to start it: the disks, and a file with the
 * definition, memory and devices. Unless they are kept, closing removes them.
 */
public final class PreparedDomain implements AutoCloseable {
    private static final String FORMAT = "raw";

    private final StoreHold hold;
    private final Workspace workspace = new Workspace();
    private final DomainXml xml;
    private final Map<String, Path> disks = new LinkedHashMap<>();
    private final Path memory;
    private final boolean running;

    private PreparedDomain(DomainRestore.Request request, DomainXml xml, Path memory)
            throws VmckptException {
        this.hold = request.store().hold();
        this.xml = xml;
        this.memory = memory;
        this.running = request.manifest().guest().running() && !request.paused();
    }

    /**
     * Makes all of it; libvirt is not asked.
     *
     * @param memory becomes the file, and must not exist
     */
    public static PreparedDomain make(
            DomainRestore.Request request, Path memory, ProgressListener progress)
            throws VmckptException {
        PreparedDomain prepared =
                new PreparedDomain(request, DomainRestore.definition(request), memory);
        boolean made = false;
        try {
            prepared.make(request, progress);
            made = true;
            return prepared;
        } finally {
            if (!made) {
                prepared.close();
            }
        }
    }

    private void make(DomainRestore.Request request, ProgressListener progress)
            throws VmckptException {
        Store store = request.store();
        Manifest manifest = store.find(request.manifest().id().value());
        Map<String, DiskState> recorded = disks(manifest, xml);
        PathMap map = new PathMap(Path.of("/"), request.maps());
        xml.mapPaths(map::map);
        createFolder(request.disksDirectory());
        for (Map.Entry<String, DiskState> disk : recorded.entrySet()) {
            Path file = request.disksDirectory().resolve(disk.getKey() + "." + FORMAT);
            workspace.add(file);
            materialize(store, disk.getValue(), file, progress);
            xml.setDiskFile(disk.getKey(), file, FORMAT);
            disks.put(disk.getKey(), file);
        }
        workspace.add(memory);
        write(store, manifest, progress);
    }

    /** The definition that the domain gets. */
    public String definition() {
        return xml.text();
    }

    public Path memory() {
        return memory;
    }

    /** What the domain is, or will be. */
    public DomainRestore.Report report() {
        UUID uuid = xml.uuid().orElseThrow();
        return new DomainRestore.Report(xml.name(), uuid, running, disks, memory);
    }

    /** Has libvirt start it, and define it. If it cannot be defined it is ended again. */
    public void start(String uri) throws VmckptException {
        start(uri, memory, definition(), xml.uuid().orElseThrow());
    }

    /** The same for one that another process has prepared. */
    public static void start(String uri, Path memory, String definition, UUID uuid)
            throws VmckptException {
        try (LibvirtHost host = LibvirtHost.connect(uri)) {
            host.restore(memory);
        }
        // Another connection: libvirtd may have dropped that one, which said nothing for long.
        try (LibvirtHost host = LibvirtHost.connect(uri)) {
            try {
                host.define(definition);
            } catch (VmckptException e) {
                host.domain(uuid.toString()).destroy();
                throw e;
            }
        }
    }

    /** From now on the disks stay, and the file too. */
    public void keep() {
        workspace.complete();
    }

    /** From now on the disks stay; the file has served. */
    public void keepDisks() throws StorageException {
        workspace.complete();
        try {
            Files.deleteIfExists(memory);
        } catch (IOException e) {
            throw new StorageException("deleting " + memory + ": " + e, e);
        }
    }

    @Override
    public void close() {
        workspace.close();
        hold.close();
    }

    /** By libvirt's names; the checkpoint recorded the files that its definition has. */
    private static Map<String, DiskState> disks(Manifest manifest, DomainXml xml)
            throws CorruptException {
        Map<String, DiskState> found = new LinkedHashMap<>();
        for (DiskState disk : manifest.disks()) {
            String target =
                    xml.diskFiles().entrySet().stream()
                            .filter(it -> it.getValue().toString().equals(disk.argumentPath()))
                            .map(Map.Entry::getKey)
                            .findFirst()
                            .orElseThrow(() ->
                                    DomainRestore.incomplete(
                                            manifest,
                                            "its definition has no disk " + disk.argumentPath()));
            found.put(target, disk);
        }
        return found;
    }

    /** QEMU's user must get through it; the files are its owner's alone. */
    private void createFolder(Path folder) throws VmckptException {
        try {
            if (Files.exists(folder)) {
                try (var entries = Files.list(folder)) {
                    if (entries.findAny().isPresent()) {
                        throw new ConflictException(
                                "restoring a domain's disks: " + folder + " is not empty");
                    }
                }
                return;
            }
            workspace.createFolder(folder);
            Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwx--x--x"));
        } catch (IOException e) {
            throw new StorageException("making folder " + folder + ": " + e, e);
        }
    }

    private static void materialize(
            Store store, DiskState disk, Path file, ProgressListener progress)
            throws VmckptException {
        DiskMaterializer.materialize(store, disk.layers(), disk.virtualSizeBytes(), file, progress);
        try {
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        } catch (IOException e) {
            throw new StorageException("making " + file + " writable: " + e, e);
        }
    }

    private void write(Store store, Manifest manifest, ProgressListener progress)
            throws VmckptException {
        byte[] devices = store.getBytes(manifest.devices().segment());
        WholeStream stream =
                new WholeStream(
                        store, manifest.memory(), DeviceStream.parse(devices), devices, progress);
        try (FileChannel channel =
                FileChannel.open(
                        memory,
                        Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                        PosixFilePermissions.asFileAttribute(
                                PosixFilePermissions.fromString("rw-------")))) {
            DeviceStateFeeder.writeFully(channel, SaveFile.start(definition(), running));
            stream.writeTo(channel);
            channel.force(true);
        } catch (IOException e) {
            throw new StorageException("writing " + memory + ": " + e, e);
        }
    }
}
