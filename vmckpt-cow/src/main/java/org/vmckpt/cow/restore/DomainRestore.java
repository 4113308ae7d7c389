package org.vmckpt.cow.restore;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.libvirt.DomainXml;
import org.vmckpt.core.libvirt.LibvirtDomain;
import org.vmckpt.core.libvirt.LibvirtHost;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.hook.Hooks;

/**
 * Brings a checkpoint of a domain back as a domain: its disks as raw files of its own, its memory
 * and devices as a file that libvirt restores.
 */
public final class DomainRestore {
    private static final String MEMORY_NAME = "memory.save";

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
                : RestoreHooks.aroundDomain(
                        "restore",
                        request,
                        hooks,
                        () -> restore(request, progress),
                        report -> report);
    }

    /**
     * Restores, and defines the domain. When it fails, what it created is gone again, unless the
     * domain may use it.
     *
     * @throws ConflictException when a domain of that name or UUID runs, or is another one
     * @throws UnsupportedException when the checkpoint is not one of a domain
     */
    public static Report restore(Request request, ProgressListener progress)
            throws VmckptException {
        try (LibvirtHost host = LibvirtHost.connect(request.uri())) {
            requireFree(host, definition(request));
        }
        Path file = request.disksDirectory().resolve(MEMORY_NAME);
        try (PreparedDomain prepared = PreparedDomain.make(request, file, progress)) {
            start(prepared, request);
            prepared.keepDisks();
            return prepared.report();
        }
    }

    /** When libvirtd's answer is lost the domain may run, from files that must not go then. */
    private static void start(PreparedDomain prepared, Request request) throws VmckptException {
        try {
            prepared.start(request.uri());
        } catch (VmckptException e) {
            if (!mayRun(request.uri(), prepared.report())) {
                throw e;
            }
            prepared.keep();
            throw new TransportException(
                    e.getMessage()
                            + "; whether domain "
                            + prepared.report().name()
                            + " runs is not known, so its files stay in "
                            + request.disksDirectory()
                            + "; delete them if virsh list does not show it",
                    e);
        }
    }

    private static boolean mayRun(String uri, Report report) {
        try (LibvirtHost host = LibvirtHost.connect(uri)) {
            Optional<LibvirtDomain> domain = host.find(report.uuid().toString());
            return domain.isPresent() && domain.get().isActive();
        } catch (VmckptException e) {
            return true;
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
        try (PreparedDomain prepared = PreparedDomain.make(request, file, progress)) {
            prepared.keep();
            return prepared.report();
        }
    }

    static DomainXml definition(Request request) throws VmckptException {
        Manifest manifest = request.manifest();
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
        if (xml.uuid().isEmpty()) {
            throw incomplete(manifest, "it has no UUID");
        }
        return xml;
    }

    /**
     * Refuses a checkpoint that cannot take the place of a domain.
     *
     * @throws ConflictException when it is of another one
     */
    public static void requireOf(LibvirtDomain domain, Request request) throws VmckptException {
        DomainXml xml = definition(request);
        if (!xml.uuid().equals(Optional.of(domain.uuid())) || !xml.name().equals(domain.name())) {
            throw new ConflictException(
                    "putting domain %s (UUID %s) back: checkpoint %s is of domain %s (UUID %s); 'vmckpt restore --libvirt' makes a domain of it beside this one"
                            .formatted(
                                    domain.name(),
                                    domain.uuid(),
                                    request.manifest().id(),
                                    xml.name(),
                                    xml.uuid().orElseThrow()));
        }
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

    static CorruptException incomplete(Manifest manifest, String found) {
        return new CorruptException(
                "restoring "
                        + manifest.id()
                        + " as a domain: "
                        + found
                        + "; the manifest does not fit together; restore another checkpoint");
    }
}
