package org.vmckpt.cow.restore;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.Manifest.DiskState;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.libvirt.DomainXml;
import org.vmckpt.core.libvirt.LibvirtDomain;
import org.vmckpt.core.libvirt.LibvirtHost;
import org.vmckpt.core.libvirt.SaveFile;
import org.vmckpt.core.store.Store;
import org.vmckpt.core.store.StoreHold;
import org.vmckpt.core.stream.DeviceStream;
import org.vmckpt.cow.disk.DiskMaterializer;
import org.vmckpt.cow.hook.Hooks;

/**
 * Brings a checkpoint of a domain back as a domain: its disks as raw files of its own, its memory
 * and devices as a file that libvirt restores.
 */
public final class DomainRestore {
    private static final String MEMORY_NAME = "memory.save";
    private static final String FORMAT = "raw";

    private DomainRestore() {}

    /**
     * What is wanted.
     *
     * @param disksDirectory gets the domain's disks; must be empty, or not exist
     * @param maps new path by recorded path, of files or folders; the longest match wins
     * @param name in place of the recorded one
     * @param newIdentity another UUID, and network cards with addresses that libvirt chooses
     */
    public record Request(
            Store store,
            Manifest manifest,
            String uri,
            Path disksDirectory,
            Map<Path, Path> maps,
            Optional<String> name,
            boolean newIdentity,
            boolean paused) {
        public Request {
            disksDirectory = disksDirectory.toAbsolutePath().normalize();
            maps = Map.copyOf(maps);
        }
    }

    /**
     * What it has become.
     *
     * @param disks file by libvirt's name of the disk
     */
    public record Report(
            String name, UUID uuid, boolean running, Map<String, Path> disks, Path memory) {}

    /** Restores; hooks are asked before it, and told what became of it. */
    public static Report restore(Request request, Hooks hooks, ProgressListener progress)
            throws VmckptException {
        return hooks.areNone()
                ? restore(request, progress)
                : RestoreHooks.around(request, hooks, () -> restore(request, progress));
    }

    /**
     * Restores, and defines the domain. When it fails, what it created is gone again.
     *
     * @throws ConflictException when a domain of that name or UUID runs, or is another one
     * @throws UnsupportedException when the checkpoint is not one of a domain
     */
    public static Report restore(Request request, ProgressListener progress)
            throws VmckptException {
        try (LibvirtHost host = LibvirtHost.connect(request.uri())) {
            requireFree(host, definition(request, request.manifest()));
        }
        try (StoreHold _ = request.store().hold();
                Workspace workspace = new Workspace()) {
            Path file = request.disksDirectory().resolve(MEMORY_NAME);
            Prepared prepared = prepare(request, file, workspace, progress);
            start(request.uri(), prepared);
            workspace.complete();
            delete(prepared.report().memory());
            return prepared.report();
        }
    }

    private static void start(String uri, Prepared prepared) throws VmckptException {
        try (LibvirtHost host = LibvirtHost.connect(uri)) {
            host.restore(prepared.report().memory());
        }
        // Another connection: libvirtd may have dropped that one, which said nothing for long.
        try (LibvirtHost host = LibvirtHost.connect(uri)) {
            try {
                host.define(prepared.xml());
            } catch (VmckptException e) {
                host.domain(prepared.report().uuid().toString()).destroy();
                throw e;
            }
        }
    }

    /**
     * Makes the file for {@code virsh restore}, and the disks that its definition names.
     *
     * @param file must not exist
     * @return where they are
     */
    public static Report export(Request request, Path file, ProgressListener progress)
            throws VmckptException {
        if (Files.exists(file)) {
            throw new ConflictException(
                    "export to " + file + ": the file exists; remove it or name another");
        }
        try (StoreHold _ = request.store().hold();
                Workspace workspace = new Workspace()) {
            Prepared prepared = prepare(request, file, workspace, progress);
            workspace.complete();
            return prepared.report();
        }
    }

    private record Prepared(String xml, Report report) {}

    private static Prepared prepare(
            Request request, Path memory, Workspace workspace, ProgressListener progress)
            throws VmckptException {
        Manifest manifest = request.store().find(request.manifest().id().value());
        DomainXml xml = definition(request, manifest);
        Map<String, DiskState> disks = disks(manifest, xml);
        PathMap map = new PathMap(Path.of("/"), request.maps());
        xml.mapPaths(map::map);
        createFolder(request.disksDirectory(), workspace);
        Map<String, Path> files = new LinkedHashMap<>();
        for (Map.Entry<String, DiskState> disk : disks.entrySet()) {
            Path file = request.disksDirectory().resolve(disk.getKey() + "." + FORMAT);
            workspace.add(file);
            materialize(request.store(), disk.getValue(), file, progress);
            xml.setDiskFile(disk.getKey(), file, FORMAT);
            files.put(disk.getKey(), file);
        }
        workspace.add(memory);
        boolean running = manifest.guest().running() && !request.paused();
        write(request.store(), manifest, xml.text(), running, memory, progress);
        UUID uuid = xml.uuid().orElseThrow(() -> incomplete(manifest, "it has no UUID"));
        return new Prepared(xml.text(), new Report(xml.name(), uuid, running, files, memory));
    }

    private static DomainXml definition(Request request, Manifest manifest) throws VmckptException {
        String recorded =
                manifest.domainXml()
                        .orElseThrow(() ->
                                new UnsupportedException(
                                        "restoring "
                                                + manifest.id()
                                                + " as a domain: it was not taken of a domain of"
                                                + " libvirt; restore it without --libvirt"));
        DomainXml xml = DomainXml.parse(recorded);
        request.name().ifPresent(xml::rename);
        if (request.newIdentity()) {
            xml.renew(UUID.randomUUID());
        }
        return xml;
    }

    /** libvirt would notice too, but only after gigabytes were written. */
    private static void requireFree(LibvirtHost host, DomainXml xml) throws VmckptException {
        Optional<LibvirtDomain> named = host.find(xml.name());
        Optional<LibvirtDomain> same =
                xml.uuid().isPresent() ? host.find(xml.uuid().get().toString()) : Optional.empty();
        if (named.isPresent() && !named.map(LibvirtDomain::uuid).equals(xml.uuid())) {
            throw new ConflictException(
                    "restoring as domain "
                            + xml.name()
                            + ": another domain has that name; give --as NAME");
        }
        if (same.isPresent() && !same.get().name().equals(xml.name())) {
            throw new ConflictException(
                    "restoring as domain "
                            + xml.name()
                            + ": domain "
                            + same.get().name()
                            + " has its UUID; give --new-identity");
        }
        if (same.isPresent() && same.get().isActive()) {
            throw new ConflictException(
                    "restoring as domain "
                            + xml.name()
                            + ": it runs; shut it off, or give --as NAME and --new-identity");
        }
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
                                    incomplete(
                                            manifest,
                                            "its definition has no disk " + disk.argumentPath()));
            found.put(target, disk);
        }
        return found;
    }

    private static CorruptException incomplete(Manifest manifest, String found) {
        return new CorruptException(
                "restoring "
                        + manifest.id()
                        + " as a domain: "
                        + found
                        + "; the manifest does not fit together; restore another checkpoint");
    }

    /** QEMU's user must get through it; the files are its owner's alone. */
    private static void createFolder(Path folder, Workspace workspace) throws VmckptException {
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

    private static void write(
            Store store,
            Manifest manifest,
            String xml,
            boolean running,
            Path file,
            ProgressListener progress)
            throws VmckptException {
        byte[] devices = store.getBytes(manifest.devices().segment());
        WholeStream stream =
                new WholeStream(
                        store, manifest.memory(), DeviceStream.parse(devices), devices, progress);
        try (FileChannel channel =
                FileChannel.open(
                        file,
                        Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                        PosixFilePermissions.asFileAttribute(
                                PosixFilePermissions.fromString("rw-------")))) {
            DeviceStateFeeder.writeFully(channel, SaveFile.start(xml, running));
            stream.writeTo(channel);
            channel.force(true);
        } catch (IOException e) {
            throw new StorageException("writing " + file + ": " + e, e);
        }
    }

    private static void delete(Path file) throws StorageException {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw new StorageException("deleting " + file + ": " + e, e);
        }
    }
}
