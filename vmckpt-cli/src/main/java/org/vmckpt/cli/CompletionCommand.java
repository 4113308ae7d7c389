package org.vmckpt.cli;

import java.util.Map;
import java.util.concurrent.Callable;
import org.vmckpt.core.VmckptException;
import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Prints a completion script. */
@Command(
        name = "generate-completion",
        header = "Print a completion script for bash and zsh.",
        description = "%nPrints a script that completes commands and options when it is sourced.%n",
        footerHeading = "%nExamples:%n",
        footer = {"  source <(vmckpt generate-completion)"})
final class CompletionCommand implements Callable<Integer> {
    private final Session session;

    @Spec private CommandSpec spec = CommandSpec.create();

    CompletionCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        String script = AutoComplete.bash("vmckpt", spec.root().commandLine());
        session.printResult(
                Map.of("shell", "bash", "script", script), out -> out.print(script + "\n"));
        return ExitCode.OK.number();
    }
}
