package org.vmckpt.cow.rollback;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.libvirt.LibvirtDomain;
import org.vmckpt.core.libvirt.LibvirtHost;
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.cow.checkpoint.GuestSession;
import org.vmckpt.cow.restore.DomainRestore;
import org.vmckpt.cow.restore.PreparedDomain;

/**
 * Puts a running domain back to a checkpoint of it. libvirt has one guest of a name and UUID: so
 * all that the new one needs is made while the old one runs, then the old one is ended, and the new
 * one started in its place. If that fails the old one is restored from a checkpoint that was taken
 * of it before.
 */
public final class DomainRollback {
    private static final long NANOS_PER_MILLI = 1_000_000;
    private static final String MEMORY = "memory.save";

    /** For tests: the old domain has ended, the new one runs. */
    static final String ENDED = "ENDED";

    static final String RUNS = "RUNS";

    private DomainRollback() {}

    /**
     * The domain after it.
     *
     * @param standstillMillis from the end of the old guest until the new one ran
     * @param oldDisks files that nobody uses now
     */
    public record Report(
            CheckpointId from,
            CheckpointId safety,
            DomainRestore.Report domain,
            long standstillMillis,
            List<Path> oldDisks) {
        public Report {
            oldDisks = List.copyOf(oldDisks);
        }
    }

    /**
     * Finds what can be found before anything changes.
     *
     * @throws ConflictException when the checkpoint is of another guest
     * @throws RefusedException when the domain does not run, or libvirt is at work on it
     */
    public static void check(GuestAddress.Libvirt address, DomainRestore.Request target)
            throws VmckptException {
        try (LibvirtHost host = LibvirtHost.connect(address.uri())) {
            LibvirtDomain domain = host.domain(address.domain());
            DomainRestore.requireOf(domain, target);
            if (!domain.isActive()) {
                throw new RefusedException(
                        "rollback of domain "
                                + domain.name()
                                + ": it is shut off; 'vmckpt restore --libvirt' brings it back from"
                                + " the checkpoint");
            }
            domain.requireNoJob();
        }
    }

    /** A folder for the new disks that is not there yet, beside the first disk. */
    public static Path newDisksFolder(GuestAddress.Libvirt address, Instant now)
            throws VmckptException {
        try (LibvirtHost host = LibvirtHost.connect(address.uri())) {
            LibvirtDomain domain = host.domain(address.domain());
            for (Path file : domain.diskFiles().values()) {
                return RollbackService.newFolderIn(file.resolveSibling(""), now);
            }
            throw new NotFoundException(
                    "rollback of domain "
                            + domain.name()
                            + ": it has no disk beside which its new ones could lie: give --disks a"
                            + " new folder");
        }
    }

    /**
     * Replaces the guest.
     *
     * @param safety a checkpoint of it that was taken just now
     */
    public static Report rollback(
            GuestAddress.Libvirt address,
            DomainRestore.Request target,
            CheckpointId safety,
            ProgressListener progress)
            throws VmckptException {
        return rollback(address, target, safety, progress, _ -> {});
    }

    static Report rollback(
            GuestAddress.Libvirt address,
            DomainRestore.Request target,
            CheckpointId safety,
            ProgressListener progress,
            Consumer<String> probe)
            throws VmckptException {
        check(address, target);
        Path memory = target.disksDirectory().resolve(MEMORY);
        try (PreparedDomain prepared = PreparedDomain.make(target, memory, progress);
                GuestSession guest = GuestSession.open(address);
                LibvirtHost host = LibvirtHost.connect(address.uri())) {
            LibvirtDomain domain = host.domain(prepared.report().uuid().toString());
            List<Path> oldDisks = List.copyOf(domain.diskFiles().values());
            Path journal = DomainJournal.of(domain.uuid().toString());
            try (Warden _ = Warden.start(journal)) {
                note(address, target, safety, prepared, guest.pid()).write(journal);
                // From here on the journal says what becomes of the files.
                prepared.keep();
                long ended = System.nanoTime();
                replace(domain, prepared, journal, address.uri(), probe);
                long millis = (System.nanoTime() - ended) / NANOS_PER_MILLI;
                return new Report(
                        target.manifest().id(), safety, prepared.report(), millis, oldDisks);
            }
        }
    }

    private static DomainJournal note(
            GuestAddress.Libvirt address,
            DomainRestore.Request target,
            CheckpointId safety,
            PreparedDomain prepared,
            long pid) {
        return new DomainJournal(
                address.uri(),
                prepared.report().name(),
                prepared.report().uuid().toString(),
                RunningProcess.of(pid),
                prepared.definition(),
                prepared.memory().toString(),
                target.disksDirectory().toString(),
                target.store().directory().toAbsolutePath().toString(),
                safety.value());
    }

    private static void replace(
            LibvirtDomain domain,
            PreparedDomain prepared,
            Path journal,
            String uri,
            Consumer<String> probe)
            throws VmckptException {
        try {
            domain.destroy();
            probe.accept(ENDED);
            prepared.start(uri);
            probe.accept(RUNS);
        } catch (VmckptException e) {
            throw new RefusedException(
                    "rollback of domain %s: %s\n%s"
                            .formatted(domain.name(), e.getMessage(), outcome(journal)),
                    e);
        }
        // It finds the new guest running, and the file of its memory of no use.
        var _ = DomainRecovery.run(journal, true);
    }

    private static String outcome(Path journal) {
        try {
            String text = DomainRecovery.run(journal, false).orElse("the domain was not touched");
            return Character.toUpperCase(text.charAt(0)) + text.substring(1);
        } catch (VmckptException e) {
            return String.valueOf(e.getMessage());
        }
    }

    /**
     * Ends a rollback of the domain whose process and warden were both killed.
     *
     * @return what became of it; empty if there is no such rollback
     * @throws ConflictException when it is still under way
     */
    public static Optional<String> recover(GuestAddress.Libvirt address) throws VmckptException {
        String uuid;
        try (LibvirtHost host = LibvirtHost.connect(address.uri())) {
            uuid = host.domain(address.domain()).uuid().toString();
        }
        Path file = DomainJournal.of(uuid);
        return Files.exists(file) ? DomainRecovery.runAlone(file) : Optional.empty();
    }
}
