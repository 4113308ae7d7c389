package org.vmckpt.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.UsageMessageSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The top command. */
@Command(
        name = "vmckpt",
        synopsisSubcommandLabel = "COMMAND",
        versionProvider = Vmckpt.Version.class,
        header = "Complete, live checkpoints of running QEMU guests.",
        description = {
            "%nvmckpt takes a complete checkpoint (memory, devices and disks at one point in time)"
                + " of a running QEMU guest while the guest keeps running, keeps it in a verified"
                + " store, and brings it back: on this host or on another one.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  # can this guest be checkpointed?",
            "  vmckpt doctor qmp:/run/vm1/qmp.sock",
            "  # checkpoint a running guest, through its QMP socket",
            "  vmckpt checkpoint qmp:/run/vm1/qmp.sock --name before-upgrade",
            "  # a checkpoint every second, the last 60 of them kept",
            "  vmckpt watch qmp:/run/vm1/qmp.sock --every 1s --keep 60",
            "  # see what there is",
            "  vmckpt list",
            "  # bring it back, with its disks in a new folder",
            "  vmckpt restore before-upgrade --qmp /run/vm1b/qmp.sock --disks /var/lib/vm1b",
            "  # carry it to a second host",
            "  vmckpt export before-upgrade - | ssh hostB vmckpt import -"
        })
public final class Vmckpt implements Runnable {
    @Spec private CommandSpec spec = CommandSpec.create();

    private Vmckpt() {}

    /** Runs one command and exits with its code. */
    public static void main(String[] arguments) {
        System.exit(run(Streams.ofProcess(), arguments));
    }

    static int run(Streams streams, String... arguments) {
        return commandLine(streams).execute(arguments);
    }

    /** The whole command line, ready to execute once. */
    static CommandLine commandLine(Streams streams) {
        Session session = new Session(streams);
        ErrorReporter errors = new ErrorReporter(session);
        CommandLine top = new CommandLine(new Vmckpt());
        // Before the subcommands are added, which inherit them.
        top.addMixin("global", session.options());
        top.addSubcommand(new DoctorCommand(session))
                .addSubcommand(new CheckpointCommand(session))
                .addSubcommand(new WatchCommand(session))
                .addSubcommand(new RestoreCommand(session))
                .addSubcommand(new RollbackCommand(session))
                .addSubcommand(new ListCommand(session))
                .addSubcommand(new StatusCommand(session))
                .addSubcommand(new LogCommand(session))
                .addSubcommand(new ShowCommand(session))
                .addSubcommand(new VerifyCommand(session))
                .addSubcommand(new ExportCommand(session))
                .addSubcommand(new ImportCommand(session))
                .addSubcommand(new RemoveCommand(session))
                .addSubcommand(new ReleaseCommand(session))
                .addSubcommand(new CompactCommand(session))
                .addSubcommand(new CleanCommand(session))
                .addSubcommand(VolumeCommand.commandLine(session))
                .addSubcommand(new CompletionCommand(session));
        top.setExecutionStrategy(parsed -> {
            Logging.configure(session.options().debugging());
            return new CommandLine.RunLast().execute(parsed);
        });
        top.setExecutionExceptionHandler(errors::failed);
        top.setParameterExceptionHandler(errors::misused);
        top.setOut(Session.writer(streams.out()));
        top.setErr(Session.writer(streams.err()));
        top.setUsageHelpAutoWidth(false);
        describeExitCodes(top);
        return top;
    }

    private static void describeExitCodes(CommandLine top) {
        UsageMessageSpec usage = top.getCommandSpec().usageMessage();
        usage.exitCodeListHeading("%nExit codes:%n");
        usage.exitCodeList(ExitCode.descriptions());
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "which command? None was given");
    }

    /** The version of the jar that this class came from. */
    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            String version = Vmckpt.class.getPackage().getImplementationVersion();
            return new String[] {"vmckpt " + (version == null ? "development" : version)};
        }
    }
}
