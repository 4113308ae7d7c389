package org.vmckpt.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.vmckpt.core.HumanSize;
import org.vmckpt.core.Json;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.core.store.VerifyReport;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Reads checkpoints completely and checks every block. */
@Command(
        name = "verify",
        header = "Check that checkpoints are complete and undamaged.",
        description = {
            "%nReads every stored block of the checkpoints and compares it with its checksum. Names"
                    + " each damaged segment and block, and ends with exit code 4 when there is"
                    + " one.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {"  vmckpt verify latest", "  vmckpt verify --all --json"})
final class VerifyCommand implements Callable<Integer> {
    private final Session session;

    @ArgGroup(multiplicity = "1")
    private Selection selection = new Selection();

    VerifyCommand(Session session) {
        this.session = session;
    }

    /** Some, or all. */
    static final class Selection {
        @Parameters(
                paramLabel = "CKPT",
                arity = "1..*",
                description = CheckpointReference.DESCRIPTION)
        private List<String> references = List.of();

        @Option(names = "--all", description = "Verify every checkpoint in the store.")
        private boolean all;
    }

    @Override
    public Integer call() throws VmckptException {
        List<VerifyReport> reports = new ArrayList<>();
        List<String> unreadable = new ArrayList<>();
        try (Store store = session.openStore()) {
            for (Manifest manifest : selected(store)) {
                verify(store, manifest).ifPresent(reports::add);
            }
            if (selection.all) {
                store.unreadable().forEach(e -> unreadable.add(String.valueOf(e.getMessage())));
            }
        }
        boolean intact = unreadable.isEmpty() && reports.stream().allMatch(VerifyReport::intact);
        session.printResult(
                json(reports, unreadable, intact), out -> print(reports, unreadable, out));
        return (intact ? ExitCode.OK : ExitCode.CORRUPT).number();
    }

    /** Of all, those that retention removes meanwhile are passed over. */
    private Optional<VerifyReport> verify(Store store, Manifest manifest) throws VmckptException {
        try (ProgressDisplay progress = session.progress()) {
            return Optional.of(store.verify(manifest, progress));
        } catch (NotFoundException e) {
            if (selection.all) {
                return Optional.empty();
            }
            throw e;
        }
    }

    private Collection<Manifest> selected(Store store) throws VmckptException {
        return selection.all
                ? store.list()
                : CheckpointReference.findAll(store, selection.references);
    }

    private static ObjectNode json(
            List<VerifyReport> reports, List<String> unreadable, boolean intact) {
        ObjectNode json = Json.MAPPER.createObjectNode();
        json.put("intact", intact);
        json.set("checkpoints", Json.MAPPER.valueToTree(reports));
        json.set("unreadable", Json.MAPPER.valueToTree(unreadable));
        return json;
    }

    private static void print(
            List<VerifyReport> reports, List<String> unreadable, PrintWriter out) {
        for (VerifyReport report : reports) {
            String content =
                    String.format(
                            "%d segments, %d blocks, %s",
                            report.segments(),
                            report.blocks(),
                            HumanSize.format(report.storedBytes()));
            out.println(report.id() + (report.intact() ? ": intact: " : ": DAMAGED: ") + content);
            report.problems().forEach(problem -> out.println("  " + problem));
        }
        unreadable.forEach(problem -> out.println("UNREADABLE: " + problem));
        if (reports.isEmpty() && unreadable.isEmpty()) {
            out.println("The store holds no checkpoint.");
        }
    }
}
