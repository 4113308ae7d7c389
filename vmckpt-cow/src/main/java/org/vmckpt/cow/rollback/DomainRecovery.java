package org.vmckpt.cow.rollback;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.libvirt.LibvirtDomain;
import org.vmckpt.core.libvirt.LibvirtHost;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.GuestLock;
import org.vmckpt.cow.restore.DomainRestore;
import org.vmckpt.cow.restore.PreparedDomain;

/** Leaves one guest when the rollback of a domain has ended before its end. */
final class DomainRecovery {
    private static final Logger LOG = LoggerFactory.getLogger(DomainRecovery.class);

    private final Path file;
    private final DomainJournal journal;

    private DomainRecovery(Path file, DomainJournal journal) {
        this.file = file;
        this.journal = journal;
    }

    /**
     * As {@link #run}, for a process that does not hold the old guest; the new one is tried first.
     *
     * @throws org.vmckpt.core.ConflictException when another does: it is under way
     */
    static Optional<String> runAlone(Path file) throws VmckptException {
        Optional<DomainJournal> journal = DomainJournal.read(file);
        if (journal.isEmpty()) {
            return Optional.empty();
        }
        try (GuestLock _ = GuestLock.acquire(journal.get().old().pid())) {
            return run(file, true);
        }
    }

    /**
     * Leaves one guest. The caller holds the old one.
     *
     * @param file of the journal, which is gone when this returns
     * @param forward whether to try the new guest, before the old one is brought back
     * @return what became of the domain, as a sentence; empty if nothing had begun
     */
    static Optional<String> run(Path file, boolean forward) throws VmckptException {
        Optional<DomainJournal> journal = DomainJournal.read(file);
        if (journal.isEmpty()) {
            return Optional.empty();
        }
        DomainRecovery recovery = new DomainRecovery(file, journal.get());
        try {
            String outcome = recovery.leaveOne(forward);
            Files.deleteIfExists(file);
            return Optional.of(outcome);
        } catch (IOException e) {
            throw new StorageException(
                    "bringing back domain %s: %s; %s"
                            .formatted(journal.get().name(), e, recovery.byHand()),
                    e);
        }
    }

    private String leaveOne(boolean forward) throws IOException, VmckptException {
        if (journal.old().isAlive()) {
            Trees.delete(Path.of(journal.disks()));
            return "the domain goes on as it was";
        }
        try (LibvirtHost host = LibvirtHost.connect(journal.uri())) {
            Optional<LibvirtDomain> domain = host.find(journal.uuid());
            if (domain.isPresent() && domain.get().isActive()) {
                return settle(host, domain.get());
            }
        }
        return forward && startNew() ? "the domain was rolled back" : restoreOld();
    }

    /** libvirt has started it, or somebody has by hand. */
    private String settle(LibvirtHost host, LibvirtDomain domain)
            throws IOException, VmckptException {
        Path disks = Path.of(journal.disks());
        if (domain.diskFiles().values().stream().anyMatch(it -> it.startsWith(disks))) {
            host.define(journal.definition());
            Files.deleteIfExists(Path.of(journal.memory()));
            return "the domain was rolled back";
        }
        Trees.delete(disks);
        return "the domain was started by somebody else meanwhile, and is left alone";
    }

    /** All of it was ready before the old one was ended. */
    private boolean startNew() throws IOException {
        try {
            PreparedDomain.start(
                    journal.uri(),
                    Path.of(journal.memory()),
                    journal.definition(),
                    UUID.fromString(journal.uuid()));
            Files.deleteIfExists(Path.of(journal.memory()));
            return true;
        } catch (VmckptException e) {
            LOG.debug("the new guest cannot be started", e);
            return false;
        }
    }

    private String restoreOld() throws IOException, VmckptException {
        Path disks = Path.of(journal.disks() + "-before");
        // What this attempt and another one have left.
        Trees.delete(Path.of(journal.disks()));
        Trees.delete(disks);
        try (Store store = Store.open(Path.of(journal.store()))) {
            DomainRestore.restore(
                    new DomainRestore.Request(
                            store,
                            store.find(journal.safety()),
                            journal.uri(),
                            disks,
                            Map.of(),
                            Optional.empty(),
                            false,
                            false),
                    ProgressListener.none());
            return "the domain is back from checkpoint %s, taken just before (disks in %s)"
                    .formatted(journal.safety(), disks);
        } catch (VmckptException e) {
            throw new RefusedException(
                    "bringing back domain %s from checkpoint %s: %s; %s"
                            .formatted(journal.name(), journal.safety(), e.getMessage(), byHand()),
                    e);
        }
    }

    private String byHand() {
        return "the domain is shut off, and its disks are as they were when it was ended; its"
                + " checkpoint of just before brings it back: vmckpt restore %s --store %s"
                        .formatted(journal.safety(), journal.store())
                + " --libvirt --connect '%s' --disks NEW_FOLDER; what was to be done is in %s"
                        .formatted(journal.uri(), file);
    }
}
