package org.vmckpt.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.vmckpt.agent.client.AgentClient;
import org.vmckpt.agent.client.Loan;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.hook.Hooks;
import org.vmckpt.cow.restore.RestoreHooks;
import org.vmckpt.cow.restore.RestoreRequest;
import org.vmckpt.cow.rollback.RollbackReport;
import org.vmckpt.cow.rollback.RollbackRequest;
import org.vmckpt.cow.rollback.RollbackService;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Puts a running guest back to a checkpoint. */
@Command(
        name = "rollback",
        header = "Put a running guest back to a checkpoint.",
        description = {
            "%nTakes a checkpoint of the guest as it is, stops it, and restores CKPT in its place:"
                + " a new QEMU with the same sockets, and with new disks in a new folder. The old"
                + " QEMU is ended only when the new one runs. If anything fails before, also if"
                + " this command is killed, the old guest goes on. What the guest did since CKPT is"
                + " in the checkpoint that was taken first; a rollback to that undoes this one.%n",
            "Where two QEMUs cannot be at a time, because of a TAP device, a TCP port or memory,"
                + " the old one is ended first, and brought back from its checkpoint if the new one"
                + " does not come up.%n",
            "The old disks are left as they are, and are not used any more. See docs/rollback.md.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  vmckpt rollback qmp:/run/vm1/qmp.sock before-upgrade",
            "  # to where it was before the rollback",
            "  vmckpt rollback qmp:/run/vm1/qmp.sock before-rollback-20261122T101500"
        })
final class RollbackCommand implements Callable<Integer> {
    private final Session session;

    @Parameters(
            index = "0",
            paramLabel = "GUEST",
            converter = GuestReference.Converter.class,
            description = GuestReference.DESCRIPTION)
    private GuestReference guest = GuestReference.NONE;

    @Parameters(index = "1", paramLabel = "CKPT", description = CheckpointReference.DESCRIPTION)
    private String reference = "";

    @Option(
            names = "--no-checkpoint",
            description = {
                "Take no checkpoint of the guest as it is: what it did since CKPT is lost. Not"
                        + " possible where the old QEMU has to end first."
            })
    private boolean noCheckpoint;

    @Option(
            names = "--name",
            paramLabel = "NAME",
            description = "Of the checkpoint that is taken first. Default: before-rollback-TIME.")
    private @Nullable String safetyName;

    @Option(
            names = "--disks",
            paramLabel = "DIR",
            description = {
                "A folder for the new disks; must be empty, or not exist. Default: rollback-TIME,"
                        + " beside the guest's first disk."
            })
    private @Nullable Path disksDirectory;

    @Option(
            names = "--serve-disks",
            description = "Make the new disks volumes, as 'vmckpt restore' does.")
    private boolean serveDisks;

    @Option(names = "--paused", description = "Leave the guest stopped; QMP's cont starts it.")
    private boolean paused;

    @Option(
            names = "--map",
            paramLabel = "OLD=NEW",
            description = "A file or folder of the checkpoint, and where it is now, as in restore.")
    private Map<Path, Path> maps = new LinkedHashMap<>();

    @Option(
            names = "--arg",
            paramLabel = "ARG",
            description = "A QEMU option that replaces a recorded one, as in restore.")
    private List<String> arguments = List.of();

    @Option(
            names = "--qemu",
            paramLabel = "BINARY",
            description = "The QEMU to start, in place of the recorded one.")
    private @Nullable Path qemuBinary;

    @Mixin private HookOptions hooks = new HookOptions();

    RollbackCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        Optional<AgentClient> agent = session.agentFor(guest);
        RollbackReport report = agent.isPresent() ? through(agent.get()) : alone();
        session.printResult(json(report), out -> print(report, out));
        return ExitCode.OK.number();
    }

    private RollbackReport alone() throws VmckptException {
        try (Store store = session.openStore()) {
            return rollback(monitor(), store, hooks.hooks());
        }
    }

    private Path monitor() throws VmckptException {
        return guest.qmpSocket(
                "rollback",
                "end it with virsh destroy, and bring it back with vmckpt restore --libvirt");
    }

    /** The agent lends us the guest's monitor: a guest is no child of a service. */
    private RollbackReport through(AgentClient agent) throws VmckptException {
        try (agent;
                Loan loan = agent.lend(guest.text());
                Store store = Store.open(loan.store())) {
            Hooks told = hooks.hooks().with("agentGuest", loan.guest());
            return rollback(loan.monitor(), store, told);
        }
    }

    private RollbackReport rollback(Path qmpSocket, Store store, Hooks told)
            throws VmckptException {
        RollbackService.recover(qmpSocket)
                .ifPresent(what -> session.warn("an earlier rollback was killed: " + what));
        Instant now = Instant.now();
        Path disks =
                disksDirectory == null
                        ? RollbackService.newDisksFolder(qmpSocket, now)
                        : disksDirectory;
        RestoreRequest target =
                new RestoreRequest(
                        store,
                        store.find(reference),
                        qmpSocket,
                        disks,
                        maps,
                        arguments,
                        paused,
                        serveDisks,
                        Optional.ofNullable(qemuBinary),
                        RestoreRequest.DEFAULT_TIMEOUT);
        RollbackService.check(new RollbackRequest(target, Optional.empty()));
        // Asked before the checkpoint, so that nothing is made when one says no.
        return RestoreHooks.around(
                "rollback",
                target,
                told,
                () -> {
                    String name = safetyName == null ? RollbackService.safetyName(now) : safetyName;
                    Optional<CheckpointId> safety =
                            noCheckpoint
                                    ? Optional.empty()
                                    : Optional.of(checkpoint(target, name, told));
                    try (ProgressDisplay progress = session.progress()) {
                        return RollbackService.rollback(
                                new RollbackRequest(target, safety), progress);
                    }
                },
                RollbackReport::guest);
    }

    private CheckpointId checkpoint(RestoreRequest target, String name, Hooks told)
            throws VmckptException {
        CheckpointRequest request =
                CheckpointRequest.of(target.qmpPath(), target.store())
                        .withName(Optional.of(name))
                        .withHooks(told);
        try (ProgressDisplay progress = session.progress();
                SignalCancellation signals = SignalCancellation.install()) {
            CheckpointReport report =
                    CheckpointService.checkpoint(request, progress, signals.cancellation());
            report.warnings().forEach(session::warn);
            return report.manifest().id();
        }
    }

    private static Map<String, Object> json(RollbackReport report) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("checkpoint", report.from().toString());
        report.safety().ifPresent(id -> json.put("before", id.toString()));
        json.put("oldPid", report.oldPid());
        json.put("standstillMillis", report.standstillMillis());
        json.put("oldDisks", report.oldDisks());
        json.put("oldFiles", report.keptFiles());
        json.put("guest", RestoreReportText.json(report.guest()));
        return json;
    }

    private void print(RollbackReport report, PrintWriter out) {
        out.printf(
                report.guest().running()
                        ? "The guest runs from checkpoint %s.%n"
                        : "The guest is at checkpoint %s, and stopped.%n",
                report.from());
        Table table = new Table();
        report.safety()
                .ifPresent(id ->
                        table.row(
                                "  Before",
                                id + "; undo: vmckpt rollback " + guest.text() + " " + id));
        table.row("  Standstill", RestoreReportText.millis(report.standstillMillis()));
        RestoreReportText.addRows(report.guest(), table);
        report.oldDisks().forEach(disk -> table.row("  Old disk", disk + ", not used any more"));
        report.keptFiles().forEach(file -> table.row("  Old file", file));
        table.print(out);
        RestoreReportText.printAdvice(report.guest(), out);
    }
}
