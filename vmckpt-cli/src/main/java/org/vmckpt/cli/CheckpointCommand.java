package org.vmckpt.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.vmckpt.agent.client.AgentClient;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Takes a checkpoint of a running guest. */
@Command(
        name = "checkpoint",
        header = "Take a checkpoint of a running guest.",
        description = {
            "%nSaves memory, devices and disks of a running QEMU guest as they are at one instant."
                + " The guest stands still for a few milliseconds and runs on while its memory and"
                + " disks are copied. When it fails, nothing of the checkpoint stays, and the guest"
                + " runs on.%n",
            "Needs root (to trace QEMU), and for the shortest pause guest memory that is shared:"
                    + " -object memory-backend-memfd,id=ram,share=on,size=SIZE -machine"
                    + " memory-backend=ram. Other guests are saved with another engine.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  vmckpt checkpoint qmp:/run/vm1/qmp.sock",
            "  vmckpt checkpoint qmp:/run/vm1/qmp.sock --name before-upgrade",
            "  vmckpt checkpoint qmp:/run/vm1/qmp.sock --engine pause --full"
        })
final class CheckpointCommand implements Callable<Integer> {
    private final Session session;

    @Mixin private CaptureOptions capture = new CaptureOptions();

    @Mixin private HookOptions hooks = new HookOptions();

    @Option(
            names = "--name",
            paramLabel = "NAME",
            description = "A name for the checkpoint; need not be unique.")
    private @Nullable String name;

    @Option(
            names = "--engine",
            paramLabel = "ENGINE",
            converter = Engine.Converter.class,
            description = {
                "How memory is saved: uffd (write protection from outside, for shared memory),"
                        + " background (QEMU's background snapshot, also for private memory), pause"
                        + " (the guest stands still meanwhile), or auto, the first of these that"
                        + " the guest allows. Default: auto."
            })
    private Engine engine = Engine.AUTO;

    @Option(
            names = "--full",
            description = {
                "Store all of memory. Otherwise what the newest checkpoint of this guest in the"
                        + " store holds already is not stored again."
            })
    private boolean full;

    CheckpointCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        Optional<AgentClient> agent = session.agentFor(capture.guest());
        CheckpointReport report = agent.isPresent() ? ask(agent.get()) : checkpoint();
        session.printResult(
                CheckpointReportText.json(report), out -> CheckpointReportText.print(report, out));
        report.warnings().forEach(session::warn);
        return ExitCode.OK.number();
    }

    private CheckpointReport checkpoint() throws VmckptException {
        try (Store store = session.openOrCreateStore()) {
            return checkpoint(store);
        }
    }

    /** The agent takes it; Ctrl-C cancels it there. */
    private CheckpointReport ask(AgentClient agent) throws VmckptException {
        hooks.requireNoneForAgent();
        ObjectNode wanted =
                Json.MAPPER
                        .createObjectNode()
                        .put("kind", "checkpoint")
                        .put("guest", capture.guest().text())
                        .put("full", full);
        if (capture.wantsQuiesce()) {
            wanted.put("quiesce", true);
            capture.agentSocket().ifPresent(socket -> wanted.put("agentSocket", socket.toString()));
        }
        Optional.ofNullable(name).ifPresent(text -> wanted.put("name", text));
        engine.name().ifPresent(asked -> wanted.put("engine", asked.text()));
        capture.cowBudgetBytes().ifPresent(bytes -> wanted.put("cowBudgetBytes", bytes));
        capture.askedDrainTimeout()
                .ifPresent(time -> wanted.put("drainTimeoutMillis", time.toMillis()));
        capture.askedDiskIo()
                .ifPresent(mode -> wanted.put("diskIo", mode.name().toLowerCase(Locale.ROOT)));
        try (agent;
                ProgressDisplay progress = session.progress();
                SignalCancellation signals = SignalCancellation.install()) {
            JsonNode result = agent.run(wanted, progress, signals::onSignal);
            return Json.MAPPER.treeToValue(result, CheckpointReport.class);
        } catch (JsonProcessingException e) {
            throw new ProtocolException(
                    "take a checkpoint through the agent: it is of another version than this"
                            + " command; restart it, or use --agent none ("
                            + e.getOriginalMessage()
                            + ")",
                    e);
        }
    }

    private CheckpointReport checkpoint(Store store) throws VmckptException {
        try (ProgressDisplay progress = session.progress();
                SignalCancellation signals = SignalCancellation.install()) {
            return CheckpointService.checkpoint(request(store), progress, signals.cancellation());
        }
    }

    private CheckpointRequest request(Store store) throws VmckptException {
        return new CheckpointRequest(
                session.address(capture.guest()),
                store,
                Optional.ofNullable(name),
                capture.cowBudgetBytes(),
                capture.drainTimeout(),
                engine.name(),
                full,
                capture.diskIo(),
                capture.quiesce(),
                hooks.hooks());
    }
}
