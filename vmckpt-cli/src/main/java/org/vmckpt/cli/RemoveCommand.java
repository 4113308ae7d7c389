package org.vmckpt.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.vmckpt.core.HumanSize;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.RemoveReport;
import org.vmckpt.core.store.Store;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Removes checkpoints. */
@Command(
        name = "remove",
        header = "Remove checkpoints from the store.",
        description = {
            "%nRemoves checkpoints and the segments that no other checkpoint uses. When one of the"
                    + " names is not known, nothing is removed. While the store is in use, segments"
                    + " are left for the agent or 'vmckpt clean' to remove.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {"  vmckpt remove before-upgrade", "  vmckpt remove 20260314T0915 8c1f"})
final class RemoveCommand implements Callable<Integer> {
    private final Session session;

    @Parameters(paramLabel = "CKPT", arity = "1..*", description = CheckpointReference.DESCRIPTION)
    private List<String> references = List.of();

    RemoveCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        List<RemoveReport> reports = new ArrayList<>();
        try (Store store = session.openStore()) {
            for (Manifest manifest : CheckpointReference.findAll(store, references)) {
                reports.add(store.remove(manifest.id()));
            }
        }
        session.printResult(
                Map.of("removed", reports),
                out -> reports.forEach(report -> out.println(describe(report))));
        return ExitCode.OK.number();
    }

    private static String describe(RemoveReport report) {
        if (report.segmentsSkipped()) {
            return report.id()
                    + " removed. The store is in use: segments were left; clean it later";
        }
        return String.format(
                "%s removed: %s freed, %d segments removed, %d kept for other checkpoints",
                report.id(),
                HumanSize.format(report.bytesFreed()),
                report.segmentsRemoved(),
                report.segmentsKept());
    }
}
