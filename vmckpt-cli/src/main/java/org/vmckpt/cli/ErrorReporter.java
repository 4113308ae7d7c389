package org.vmckpt.cli;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.vmckpt.core.VmckptException;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/** Tells the user about an error, and turns it into an exit code. */
final class ErrorReporter {
    private final Session session;

    ErrorReporter(Session session) {
        this.session = session;
    }

    /** A command failed. */
    int failed(Exception error, CommandLine command, ParseResult parsed) {
        boolean expected = error instanceof VmckptException;
        ExitCode code = error instanceof VmckptException known ? ExitCode.of(known) : ExitCode.BUG;
        String message =
                expected
                        ? String.valueOf(error.getMessage())
                        : "unexpected error, please report it as a bug: " + error;
        return report(code, message, error, session.options().json, dataOnStandardOutput(parsed));
    }

    /** The command line could not be understood. */
    int misused(ParameterException error, String[] arguments) {
        CommandLine command = error.getCommandLine();
        boolean json = session.options().json || List.of(arguments).contains("--json");
        // Some of picocli's messages begin with a word that ours have no need of.
        String message = String.valueOf(error.getMessage()).replaceFirst("^Error: ", "");
        int code = report(ExitCode.USAGE, message, error, json, false);
        if (!json) {
            PrintWriter err = session.errorWriter();
            UnmatchedArgumentException.printSuggestions(error, err);
            err.println("Try '" + command.getCommandSpec().qualifiedName() + " --help' for more.");
        }
        return code;
    }

    private int report(
            ExitCode code, String message, Exception error, boolean json, boolean dataOnOutput) {
        PrintWriter err = session.errorWriter();
        if (json) {
            PrintWriter out = dataOnOutput ? err : Session.writer(session.streams().out());
            out.println(Session.toJson(Map.of("error", describe(code, message))));
        } else {
            err.println("vmckpt: " + message);
        }
        if (session.options().debugging()) {
            error.printStackTrace(err);
        }
        return code.number();
    }

    private static Map<String, Object> describe(ExitCode code, String message) {
        Map<String, Object> description = new LinkedHashMap<>();
        description.put("kind", code.kind());
        description.put("message", message);
        description.put("exitCode", code.number());
        return description;
    }

    /** An error object in the middle of an export would spoil what the reader can report. */
    private static boolean dataOnStandardOutput(ParseResult parsed) {
        return parsed.hasSubcommand()
                && parsed.subcommand().commandSpec().userObject() instanceof ExportCommand export
                && export.writesToStandardOutput();
    }
}
