package org.vmckpt.cli;

import java.util.concurrent.Callable;
import org.vmckpt.core.HumanSize;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.CleanReport;
import org.vmckpt.core.store.Store;
import picocli.CommandLine.Command;

/** Removes what interrupted commands left in the store. */
@Command(
        name = "clean",
        header = "Remove leftovers of interrupted commands from the store.",
        description = {
            "%nRemoves temporary files of commands that no longer run, and segments that no"
                    + " checkpoint uses. Files in use by a running command, and every published"
                    + " checkpoint, are left alone.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {"  vmckpt clean --store /srv/checkpoints"})
final class CleanCommand implements Callable<Integer> {
    private final Session session;

    CleanCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        try (Store store = session.openStore()) {
            CleanReport report = store.clean();
            session.printResult(report, out -> out.println(describe(report)));
        }
        return ExitCode.OK.number();
    }

    private static String describe(CleanReport report) {
        return String.format(
                "Removed %d temporary folders and %d segments, %s freed.%s",
                report.temporaryDirectoriesRemoved(),
                report.segmentsRemoved(),
                HumanSize.format(report.bytesFreed()),
                report.segmentsSkipped()
                        ? " The store is in use: unused segments were left; clean again later."
                        : "");
    }
}
