package org.vmckpt.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.cow.hook.Hooks;
import org.vmckpt.cow.restore.DomainRestore;
import org.vmckpt.cow.restore.RestoreHooks;
import org.vmckpt.cow.rollback.DomainRollback;
import org.vmckpt.cow.rollback.RollbackService;

/**
 * {@code vmckpt rollback} of a domain of libvirt.
 *
 * @param disks where the new disks go; empty for a folder beside the old ones
 * @param safetyName of the checkpoint that is taken first
 */
record DomainRollbackRun(
        Session session,
        GuestAddress.Libvirt address,
        Store store,
        String reference,
        Optional<Path> disks,
        Map<Path, Path> maps,
        boolean paused,
        Optional<String> safetyName,
        Hooks hooks) {

    void run() throws VmckptException {
        DomainRollback.recover(address)
                .ifPresent(what -> session.warn("an earlier rollback was killed: " + what));
        Instant now = Instant.now();
        DomainRestore.Request target =
                new DomainRestore.Request(
                        store,
                        store.find(reference),
                        address.uri(),
                        disks.isPresent()
                                ? disks.get()
                                : DomainRollback.newDisksFolder(address, now),
                        maps,
                        Optional.empty(),
                        false,
                        paused);
        DomainRollback.check(address, target);
        // Asked before the checkpoint, so that nothing is made when one says no.
        DomainRollback.Report report =
                RestoreHooks.aroundDomain(
                        "rollback",
                        target,
                        hooks,
                        () -> replace(target, now),
                        DomainRollback.Report::domain);
        session.printResult(json(report), out -> print(report, out));
    }

    private DomainRollback.Report replace(DomainRestore.Request target, Instant now)
            throws VmckptException {
        CheckpointRequest request =
                RollbackService.safetyRequest(address, store, safetyName, now).withHooks(hooks);
        try (ProgressDisplay progress = session.progress();
                SignalCancellation signals = SignalCancellation.install()) {
            CheckpointReport safety =
                    CheckpointService.checkpoint(request, progress, signals.cancellation());
            safety.warnings().forEach(session::warn);
            return DomainRollback.rollback(address, target, safety.manifest().id(), progress);
        }
    }

    private static Map<String, Object> json(DomainRollback.Report report) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("checkpoint", report.from().toString());
        json.put("before", report.safety().toString());
        json.put("standstillMillis", report.standstillMillis());
        json.put("oldDisks", report.oldDisks().stream().map(Path::toString).toList());
        json.put("guest", RestoreCommand.json(report.domain()));
        return json;
    }

    private void print(DomainRollback.Report report, PrintWriter out) {
        RestoreCommand.print(report.domain(), out);
        Table table =
                new Table()
                        .row("  From", report.from().toString())
                        .row(
                                "  Before",
                                report.safety()
                                        + "; undo: vmckpt rollback "
                                        + address
                                        + " "
                                        + report.safety())
                        .row("  Standstill", RestoreReportText.millis(report.standstillMillis()));
        report.oldDisks().forEach(disk -> table.row("  Old disk", disk + ", not used any more"));
        table.print(out);
    }
}
