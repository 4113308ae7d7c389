package org.vmckpt.cli;

import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.libvirt.LibvirtHost;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/** Options that every command takes, before or after its name. */
final class GlobalOptions {
    static final String DEFAULT_STORE = "/var/lib/vmckpt";
    private static final String DEFAULT_AGENT = "/run/vmckpt/agent.sock";
    private static final String NO_AGENT = "none";

    // No defaultValue: picocli would apply it again in the subcommand, over what stood before it.
    @Option(
            names = "--store",
            paramLabel = "DIR",
            scope = ScopeType.INHERIT,
            description = {
                "The store that holds the checkpoints. Default: the environment variable"
                        + " VMCKPT_STORE, else that of the agent if one answers, else "
                        + DEFAULT_STORE
                        + "."
            })
    @Nullable Path store;

    @Option(
            names = "--agent",
            paramLabel = "SOCKET|none",
            scope = ScopeType.INHERIT,
            description = {
                "The socket of vmckpt-agent, which then does the work; none does it in this"
                        + " process. Default: the environment variable VMCKPT_AGENT, else "
                        + DEFAULT_AGENT
                        + " if an agent answers there and uses the store that was asked for."
            })
    @Nullable String agent;

    @Option(
            names = "--connect",
            paramLabel = "URI",
            scope = ScopeType.INHERIT,
            description = {
                "Where libvirt is that has the domains. Default: the environment variable"
                        + " VMCKPT_LIBVIRT_URI, else "
                        + LibvirtHost.DEFAULT_URI
                        + "."
            })
    @Nullable String connect;

    @Option(
            names = "--json",
            scope = ScopeType.INHERIT,
            description = "Print the result, or the error, as one JSON object.")
    boolean json;

    @Option(
            names = "--progress",
            negatable = true,
            scope = ScopeType.INHERIT,
            description =
                    "Show progress on standard error, or do not. Default: show it, as a bar on a"
                            + " terminal and as a few lines elsewhere; never with --json.")
    @Nullable Boolean progress;

    @Option(
            names = "--debug",
            scope = ScopeType.INHERIT,
            description =
                    "Print the stack trace of an error, and debug messages, to standard error."
                            + " VMCKPT_DEBUG=1 does the same.")
    boolean debug;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            scope = ScopeType.INHERIT,
            description = "Show this help and exit.")
    boolean help;

    @Option(
            names = {"-V", "--version"},
            versionHelp = true,
            description = "Show the version and exit.")
    boolean version;

    /** The store to use when there is no agent. */
    Path storeDirectory() {
        if (store != null) {
            return store;
        }
        String fromEnvironment = System.getenv("VMCKPT_STORE");
        return Path.of(
                fromEnvironment == null || fromEnvironment.isEmpty()
                        ? DEFAULT_STORE
                        : fromEnvironment);
    }

    /** Where domains of libvirt are looked for. */
    String libvirtUri() {
        return askedLibvirtUri().orElse(LibvirtHost.DEFAULT_URI);
    }

    /** Where the user says that they are. */
    Optional<String> askedLibvirtUri() {
        String asked = connect != null ? connect : System.getenv("VMCKPT_LIBVIRT_URI");
        return asked == null || asked.isEmpty() ? Optional.empty() : Optional.of(asked);
    }

    /** Whether the user named a store, rather than taking what is usual. */
    boolean storeAsked() {
        String fromEnvironment = System.getenv("VMCKPT_STORE");
        return store != null || (fromEnvironment != null && !fromEnvironment.isEmpty());
    }

    /** The agent that the user named. */
    Optional<Path> askedAgent() {
        String asked = agent != null ? agent : System.getenv("VMCKPT_AGENT");
        return asked == null || asked.isEmpty() || asked.equals(NO_AGENT)
                ? Optional.empty()
                : Optional.of(Path.of(asked).toAbsolutePath());
    }

    /** The agent to look for when the user named none; empty when there is to be none. */
    Optional<Path> usualAgent() {
        String asked = agent != null ? agent : System.getenv("VMCKPT_AGENT");
        return asked != null && !asked.isEmpty()
                ? Optional.empty()
                : Optional.of(Path.of(DEFAULT_AGENT));
    }

    boolean showProgress() {
        return !json && !Boolean.FALSE.equals(progress);
    }

    boolean debugging() {
        return debug || "1".equals(System.getenv("VMCKPT_DEBUG"));
    }
}
