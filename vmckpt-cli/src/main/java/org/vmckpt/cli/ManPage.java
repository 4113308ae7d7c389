package org.vmckpt.cli;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.Help;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;
import picocli.CommandLine.Model.UsageMessageSpec;

/**
 * One command's manual page, in the roff of man(7), made from the same model as its help.
 *
 * <p>picocli's own generator writes AsciiDoc, which would need Asciidoctor and JRuby in the build.
 */
final class ManPage {
    private final CommandSpec command;
    private final StringWriter text = new StringWriter();
    private final PrintWriter roff = new PrintWriter(text);

    private ManPage(CommandSpec command) {
        this.command = command;
    }

    /** The page's name without section: {@code vmckpt-list}. */
    static String name(CommandSpec command) {
        return command.qualifiedName("-");
    }

    static String of(CommandSpec command, String version) {
        return new ManPage(command).render(version);
    }

    private String render(String version) {
        roff.printf(
                ".TH \"%s\" \"1\" \"\" \"%s\" \"vmckpt manual\"%n",
                escape(name(command).toUpperCase(Locale.ROOT)), escape(version));
        roff.println(".nh\n.ad l");
        name();
        synopsis();
        description();
        arguments();
        commands();
        exitStatus();
        environment();
        examples();
        seeAlso();
        return text.toString();
    }

    private void name() {
        section("NAME");
        String header = String.join(" ", command.usageMessage().header());
        String summary = header.isEmpty() ? "" : lowerFirst(header.replaceFirst("\\.$", ""));
        roff.println(escape(name(command)) + " \\- " + escape(summary));
    }

    private void synopsis() {
        section("SYNOPSIS");
        Help help = new Help(command, Help.defaultColorScheme(Help.Ansi.OFF));
        roff.println(escape(help.synopsis(0).strip().replaceAll("\\s+", " ")));
    }

    private void description() {
        section("DESCRIPTION");
        plain(command.usageMessage().description()).lines().forEach(this::paragraph);
    }

    private void arguments() {
        section("OPTIONS");
        for (PositionalParamSpec parameter : command.positionalParameters()) {
            item("\\fI" + escape(parameter.paramLabel()) + "\\fP", parameter);
        }
        for (OptionSpec option : command.options()) {
            item(optionTerm(option), option);
        }
    }

    private static String optionTerm(OptionSpec option) {
        String names =
                String.join(
                        ", ",
                        Arrays.stream(option.names())
                                .map(name ->
                                        option.negatable() ? "--[no-]" + name.substring(2) : name)
                                .map(name -> "\\fB" + escape(name) + "\\fP")
                                .toList());
        boolean hasValue = option.arity().max() > 0 && !option.paramLabel().isEmpty();
        return hasValue ? names + "=\\fI" + escape(option.paramLabel()) + "\\fP" : names;
    }

    private void item(String term, ArgSpec argument) {
        if (!argument.hidden()) {
            roff.println(".TP\n" + term);
            roff.println(escape(plain(argument.description())));
        }
    }

    private void commands() {
        if (command.subcommands().isEmpty()) {
            return;
        }
        section("COMMANDS");
        for (CommandLine child : command.subcommands().values()) {
            UsageMessageSpec usage = child.getCommandSpec().usageMessage();
            roff.println(".TP\n\\fB" + escape(child.getCommandName()) + "\\fP");
            String[] summary = usage.header().length > 0 ? usage.header() : usage.description();
            roff.println(escape(plain(summary)));
        }
    }

    private void exitStatus() {
        section("EXIT STATUS");
        for (Map.Entry<String, String> code : ExitCode.descriptions().entrySet()) {
            roff.println(".TP\n\\fB" + code.getKey() + "\\fP");
            roff.println(escape(code.getValue()));
        }
    }

    private void environment() {
        section("ENVIRONMENT");
        variable("VMCKPT_STORE", "The store, when --store is not given.");
        variable("VMCKPT_DEBUG", "When 1, errors are printed with their stack traces.");
        variable("VMCKPT_JAVA_OPTS", "Options for the Java that runs vmckpt.");
        variable("JAVA_HOME", "Where a Java 25 or newer is looked for first.");
    }

    private void variable(String variable, String meaning) {
        roff.println(".TP\n\\fB" + escape(variable) + "\\fP");
        roff.println(escape(meaning));
    }

    private void examples() {
        String[] examples = command.usageMessage().footer();
        if (examples.length == 0) {
            return;
        }
        section("EXAMPLES");
        roff.println(".nf");
        for (String line : examples) {
            roff.println(escape(line));
        }
        roff.println(".fi");
    }

    private void seeAlso() {
        section("SEE ALSO");
        CommandSpec top = command.root();
        List<String> others =
                top.equals(command)
                        ? top.subcommands().values().stream()
                                .map(child -> name(child.getCommandSpec()))
                                .toList()
                        : List.of(name(top));
        roff.println(
                String.join(
                        ", ",
                        others.stream().map(name -> "\\fB" + escape(name) + "\\fP(1)").toList()));
    }

    private void section(String title) {
        roff.println(".SH " + title);
    }

    private void paragraph(String line) {
        if (!line.isBlank()) {
            roff.println(".PP\n" + escape(line.strip()));
        }
    }

    /** Descriptions hold picocli's format specifiers: %n and %%. */
    private static String plain(String... lines) {
        return String.format(String.join("\n", lines)).strip();
    }

    private static String lowerFirst(String text) {
        return text.substring(0, 1).toLowerCase(Locale.ROOT) + text.substring(1);
    }

    /** Text that roff prints as it stands: it would read a leading dot or quote as a request. */
    private static String escape(String text) {
        String escaped = text.replace("\\", "\\e").replace("-", "\\-");
        return escaped.startsWith(".") || escaped.startsWith("'") ? "\\&" + escaped : escaped;
    }
}
