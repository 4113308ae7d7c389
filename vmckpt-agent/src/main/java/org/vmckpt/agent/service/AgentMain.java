package org.vmckpt.agent.service;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.agent.config.AgentConfig;
import org.vmckpt.agent.config.ConfigException;
import org.vmckpt.agent.config.ConfigReader;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.linux.LinuxPlatform;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** The command {@code vmckpt-agent}. */
@Command(
        name = "vmckpt-agent",
        header = "Takes checkpoints of this host's guests by schedule and on request.",
        description = {
            "%nRuns until SIGTERM, which lets running checkpoints end and leaves all guests"
                    + " running. SIGHUP has the configuration read again.%n"
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:Stopped as asked, or the configuration is right.",
            "1:It could not start; the message says why.",
            "2:The command line or the configuration is wrong."
        })
public final class AgentMain implements Callable<Integer> {
    private static final Logger LOG = LoggerFactory.getLogger(AgentMain.class);
    private static final int FAILED = 1;
    private static final int MISUSED = 2;

    @Option(
            names = "--config",
            paramLabel = "FILE",
            description = "The configuration. Default: ${DEFAULT-VALUE}.")
    private Path file = Path.of("/etc/vmckpt/agent.yaml");

    @Option(names = "--check", description = "Say what is wrong with the configuration, and end.")
    private boolean check;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Show this help and exit.")
    boolean help;

    private AgentMain() {}

    /** Runs the agent, or checks its configuration. */
    public static void main(String[] arguments) {
        System.exit(new CommandLine(new AgentMain()).execute(arguments));
    }

    @Override
    public Integer call() throws InterruptedException {
        try {
            AgentConfig config = ConfigReader.read(file);
            if (check) {
                System.out.println(file + ": all is right");
                return 0;
            }
            LinuxPlatform.require();
            return run(config);
        } catch (ConfigException e) {
            System.err.println(e.getMessage());
            return MISUSED;
        } catch (VmckptException e) {
            LOG.error("{}", e.getMessage());
            return FAILED;
        }
    }

    private int run(AgentConfig config) throws VmckptException, InterruptedException {
        // Before anything is begun that a signal would have to take back.
        Signals signals = Signals.install();
        try (Systemd systemd = Systemd.connect(System.getenv());
                Agent agent = Agent.start(config, systemd::alive)) {
            LOG.info("listening on {}; {}", config.api().socket(), agent.status());
            systemd.ready(agent.status());
            while (signals.await() == Signals.Request.RELOAD) {
                systemd.reloading();
                reload(agent);
                systemd.ready(agent.status());
            }
            systemd.stopping();
            LOG.info("stopping; all guests run on");
        }
        return 0;
    }

    private void reload(Agent agent) {
        try {
            agent.reconfigure(ConfigReader.read(file));
            LOG.info("configuration read again; {}", agent.status());
        } catch (ConfigException e) {
            LOG.error("the configuration stays as it was: {}", e.getMessage());
        }
    }
}
