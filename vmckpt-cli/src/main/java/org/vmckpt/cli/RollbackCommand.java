package org.vmckpt.cli;

import java.nio.file.Path;
import java.time.Instant;
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
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.cow.hook.Hooks;
import org.vmckpt.cow.restore.RestoreHooks;
import org.vmckpt.cow.restore.RestoreRequest;
import org.vmckpt.cow.rollback.RollbackReport;
import org.vmckpt.cow.rollback.RollbackRequest;
import org.vmckpt.cow.rollback.RollbackService;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

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
                + " and for a domain of libvirt, the old one is ended first, and brought back from"
                + " its checkpoint if the new one does not come up.%n",
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

    @Spec private CommandSpec spec = CommandSpec.create();

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

    @Mixin private NewGuestOptions newGuest = new NewGuestOptions();

    @Mixin private HookOptions hooks = new HookOptions();

    RollbackCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        Optional<AgentClient> agent = session.agentFor(guest);
        if (agent.isPresent()) {
            through(agent.get());
        } else {
            try (Store store = session.openStore()) {
                rollback(session.address(guest), store, hooks.hooks());
            }
        }
        return ExitCode.OK.number();
    }

    /** The agent lends us the guest: a guest is no child of a service. */
    private void through(AgentClient agent) throws VmckptException {
        try (agent;
                Loan loan = agent.lend(guest.text());
                Store store = Store.open(loan.store())) {
            rollback(loan.address(), store, hooks.hooks().with("agentGuest", loan.guest()));
        }
    }

    private void rollback(GuestAddress address, Store store, Hooks told) throws VmckptException {
        switch (address) {
            case GuestAddress.Qmp(Path socket) -> {
                RollbackReport report = rollback(socket, store, told);
                session.printResult(
                        RollbackReportText.json(report),
                        out -> RollbackReportText.print(report, guest.text(), out));
            }
            case GuestAddress.Libvirt domain -> {
                if (noCheckpoint || newGuest.needQemuOfOurs()) {
                    throw new ParameterException(
                            spec.commandLine(),
                            "a domain of libvirt is rolled back without --no-checkpoint,"
                                    + " --serve-disks, --arg and --qemu");
                }
                new DomainRollbackRun(
                                session,
                                domain,
                                store,
                                reference,
                                Optional.ofNullable(disksDirectory),
                                newGuest.maps(),
                                newGuest.paused(),
                                Optional.ofNullable(safetyName),
                                told)
                        .run();
            }
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
        RestoreRequest target = newGuest.request(store, store.find(reference), qmpSocket, disks);
        RollbackService.check(new RollbackRequest(target, Optional.empty()));
        // Asked before the checkpoint, so that nothing is made when one says no.
        return RestoreHooks.around(
                "rollback",
                target,
                told,
                () -> {
                    Optional<CheckpointId> safety =
                            noCheckpoint
                                    ? Optional.empty()
                                    : Optional.of(checkpoint(target, now, told));
                    try (ProgressDisplay progress = session.progress()) {
                        return RollbackService.rollback(
                                new RollbackRequest(target, safety), progress);
                    }
                },
                RollbackReport::guest);
    }

    private CheckpointId checkpoint(RestoreRequest target, Instant now, Hooks told)
            throws VmckptException {
        CheckpointRequest request =
                RollbackService.safetyRequest(
                                GuestAddress.of(target.qmpPath()),
                                target.store(),
                                Optional.ofNullable(safetyName),
                                now)
                        .withHooks(told);
        try (ProgressDisplay progress = session.progress();
                SignalCancellation signals = SignalCancellation.install()) {
            CheckpointReport report =
                    CheckpointService.checkpoint(request, progress, signals.cancellation());
            report.warnings().forEach(session::warn);
            return report.manifest().id();
        }
    }
}
