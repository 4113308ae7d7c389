package org.vmckpt.cli;

import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.cow.hook.HookSettings;
import org.vmckpt.cow.hook.Hooks;
import org.vmckpt.cow.hook.Webhook;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** Who is asked before the work and told of it. */
final class HookOptions {
    private static final String NONE = "none";

    @Spec(Spec.Target.MIXEE)
    private CommandSpec spec = CommandSpec.create();

    @Option(
            names = "--hooks",
            paramLabel = "DIR|none",
            description = {
                "Executables that are asked before the work and told of it. Default:"
                        + " /etc/vmckpt/hooks.d, if it is there."
            })
    private @Nullable String folder;

    @Option(
            names = "--webhook",
            paramLabel = "URL",
            converter = UrlOption.class,
            description = {
                "An HTTP endpoint that is asked and told the same. May be given several times."
            })
    private List<URI> webhooks = List.of();

    @Option(
            names = "--hook-timeout",
            paramLabel = "TIME",
            converter = DurationOption.class,
            description = "How long one executable or endpoint may take. Default: 30s, and 10s.")
    private @Nullable Duration limit;

    @Option(
            names = "--hook-pause",
            paramLabel = "TIME",
            converter = DurationOption.class,
            description = {
                "How long the guest may stand still for the executables in DIR/paused, at most 1s."
                        + " Default: 10ms."
            })
    private @Nullable Duration pauseLimit;

    /** For work in this process. */
    Hooks hooks() {
        Duration pause = Optional.ofNullable(pauseLimit).orElse(HookSettings.DEFAULT_PAUSE_LIMIT);
        if (pause.compareTo(HookSettings.LONGEST_PAUSE) > 0) {
            throw new ParameterException(spec.commandLine(), "--hook-pause must be 1s or less");
        }
        List<Webhook> endpoints = new ArrayList<>();
        for (URI url : webhooks) {
            Webhook usual = Webhook.of(url.getHost(), url);
            Duration most = Optional.ofNullable(limit).orElse(usual.limit());
            endpoints.add(
                    new Webhook(usual.name(), url, usual.events(), usual.connectLimit(), most));
        }
        return new Hooks(
                new HookSettings(
                        folder(),
                        folder != null,
                        endpoints,
                        Optional.ofNullable(limit).orElse(HookSettings.DEFAULT_LIMIT),
                        pause));
    }

    private Optional<Path> folder() {
        if (folder == null) {
            return Optional.of(HookSettings.DEFAULT_FOLDER).filter(Files::isDirectory);
        }
        return folder.equals(NONE)
                ? Optional.empty()
                : Optional.of(Path.of(folder).toAbsolutePath());
    }

    /** An agent runs what its own configuration says, as root: nobody may name it other things. */
    void requireNoneForAgent() throws UnsupportedException {
        if (folder != null || !webhooks.isEmpty() || limit != null || pauseLimit != null) {
            throw new UnsupportedException(
                    "take a checkpoint through the agent: its hooks are those of its"
                            + " configuration; leave out --hooks, --webhook, --hook-timeout and"
                            + " --hook-pause, or give --agent none");
        }
    }

    /** Reads a URL from the command line. */
    static final class UrlOption implements ITypeConverter<URI> {
        @Override
        public URI convert(String text) {
            try {
                return Webhook.parseUrl(text);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(String.valueOf(e.getMessage()));
            }
        }
    }
}
