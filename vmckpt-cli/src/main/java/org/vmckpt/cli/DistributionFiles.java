package org.vmckpt.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

/** Writes what the build makes from the command line's model: man pages and bash completion. */
final class DistributionFiles {
    private DistributionFiles() {}

    /** Run by the build with the distribution's share folder as its argument. */
    public static void main(String[] arguments) throws IOException {
        if (arguments.length != 2) {
            throw new IllegalArgumentException("expected the share folder and the version");
        }
        write(Path.of(arguments[0]), arguments[1]);
    }

    static void write(Path share, String version) throws IOException {
        CommandLine top = Vmckpt.commandLine(Streams.ofNobody());
        Path pages = Files.createDirectories(share.resolve("man/man1"));
        writePages(pages, top, version);
        Path completions = Files.createDirectories(share.resolve("bash-completion/completions"));
        Files.writeString(completions.resolve("vmckpt"), AutoComplete.bash("vmckpt", top));
    }

    /** Of a command and of those below it. */
    private static void writePages(Path pages, CommandLine command, String version)
            throws IOException {
        writePage(pages, command.getCommandSpec(), version);
        for (CommandLine child : command.getSubcommands().values()) {
            writePages(pages, child, version);
        }
    }

    private static void writePage(Path folder, CommandSpec command, String version)
            throws IOException {
        Files.writeString(
                folder.resolve(ManPage.name(command) + ".1"), ManPage.of(command, version));
    }
}
