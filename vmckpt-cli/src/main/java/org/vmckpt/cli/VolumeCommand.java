package org.vmckpt.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Disks that vmckpt serves itself; one command for each thing to do with them. */
@Command(
        name = "volume",
        synopsisSubcommandLabel = "COMMAND",
        header = "Make and serve disks of vmckpt's own.",
        description = {
            "%nA volume is a disk in a folder: qcow2 files on top of one another, of which the"
                    + " newest takes the guest's writes. vmckpt serves it to QEMU over NBD, and so"
                    + " forks it in microseconds while I/O goes on.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  vmckpt volume create /srv/vm1 --size 20G",
            "  vmckpt volume serve /srv/vm1 --socket /run/vm1.nbd",
            "  qemu-system-x86_64 ... -device virtio-blk-pci,drive=d,\\",
            "      werror=stop,rerror=stop -blockdev driver=nbd,node-name=d,\\",
            "      export=vm1,reconnect-delay=60,server.type=unix,\\",
            "      server.path=/run/vm1.nbd"
        })
final class VolumeCommand implements Runnable {
    @Spec private CommandSpec spec = CommandSpec.create();

    private VolumeCommand() {}

    static CommandLine commandLine(Session session) {
        return new CommandLine(new VolumeCommand())
                .addSubcommand(new VolumeCreateCommand(session))
                .addSubcommand(new VolumeServeCommand(session))
                .addSubcommand(new VolumeListCommand(session))
                .addSubcommand(new VolumeShowCommand(session))
                .addSubcommand(new VolumeForkCommand(session))
                .addSubcommand(new VolumeCommitCommand(session))
                .addSubcommand(new VolumeReplayCommand(session));
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "which command? None was given");
    }
}
