package org.vmckpt.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.vmckpt.agent.client.AgentClient;
import org.vmckpt.core.Json;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.checkpoint.ReleaseService;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Gives a guest its own disk files back. */
@Command(
        name = "release",
        header = "Fold a guest's disks back into its own files.",
        description = {
            "%nAfter a checkpoint the guest writes to an overlay beside each disk file. This folds"
                    + " the overlays into the files that the guest was started with, while it runs,"
                    + " and deletes them. Do it before a guest is shut down that will be started"
                    + " again with its old arguments; else what it wrote since the last checkpoint"
                    + " stays behind in the overlays. Checkpoints in the store are not touched; the"
                    + " next one copies the disks anew.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {"  vmckpt release qmp:/run/vm1/qmp.sock"})
final class ReleaseCommand implements Callable<Integer> {
    private final Session session;

    @Parameters(
            paramLabel = "GUEST",
            converter = GuestReference.Converter.class,
            description = GuestReference.DESCRIPTION)
    private GuestReference guest = GuestReference.NONE;

    ReleaseCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        int released = release();
        session.printResult(
                Map.of("releasedOverlays", released), out -> out.println(describe(released)));
        return ExitCode.OK.number();
    }

    private int release() throws VmckptException {
        Optional<AgentClient> agent = session.agentFor(guest);
        if (agent.isPresent()) {
            return release(agent.get());
        }
        try (ProgressDisplay progress = session.progress()) {
            return ReleaseService.release(session.address(guest), progress);
        }
    }

    private int release(AgentClient agent) throws VmckptException {
        ObjectNode wanted =
                Json.MAPPER.createObjectNode().put("kind", "release").put("guest", guest.text());
        try (agent;
                ProgressDisplay progress = session.progress()) {
            return agent.run(wanted, progress, _ -> {}).path("releasedOverlays").asInt();
        }
    }

    private static String describe(int released) {
        return released == 0
                ? "The guest's disks have no overlay of vmckpt."
                : released + " overlays folded; the guest writes to its own disk files again.";
    }
}
