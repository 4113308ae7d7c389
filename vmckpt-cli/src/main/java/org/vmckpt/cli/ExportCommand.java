package org.vmckpt.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.vmckpt.core.HumanSize;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.core.store.StoreHold;
import org.vmckpt.cow.restore.DomainRestore;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Writes a checkpoint as one stream. */
@Command(
        name = "export",
        header = "Write a checkpoint as one tar.zst stream.",
        description = {
            "%nWrites everything that the checkpoint consists of to a file or to standard output,"
                + " for 'vmckpt import' on another host. A file is complete when it has its name."
                + " It holds the guest's memory: keep it as secret as the guest.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  vmckpt export before-upgrade /mnt/usb/before-upgrade.tar.zst",
            "  vmckpt export latest - | ssh hostB vmckpt import -",
            "  vmckpt export latest /var/lib/libvirt/vm1.save --format libvirt-save"
        })
final class ExportCommand implements Callable<Integer> {
    static final String STANDARD_STREAM = "-";
    private static final String VMCKPT = "vmckpt";
    private static final String LIBVIRT_SAVE = "libvirt-save";

    private final Session session;

    @Parameters(index = "0", paramLabel = "CKPT", description = CheckpointReference.DESCRIPTION)
    private String reference = "";

    @Parameters(
            index = "1",
            paramLabel = "FILE",
            description = "A file that does not exist yet, or '-' for standard output.")
    private String target = "";

    @Option(
            names = "--format",
            paramLabel = "vmckpt|libvirt-save",
            description = {
                "vmckpt, for 'vmckpt import'; or libvirt-save: a file that 'virsh restore' takes,"
                        + " with the disks as raw files in the folder FILE.disks beside it, which"
                        + " the definition in the file names. Default: vmckpt."
            })
    private String format = VMCKPT;

    @Spec private CommandSpec spec = CommandSpec.create();

    ExportCommand(Session session) {
        this.session = session;
    }

    boolean writesToStandardOutput() {
        return target.equals(STANDARD_STREAM);
    }

    @Override
    public Integer call() throws VmckptException {
        switch (format) {
            case VMCKPT -> {}
            case LIBVIRT_SAVE -> {
                return exportForLibvirt();
            }
            default -> throw usage("--format is vmckpt or libvirt-save, not '" + format + "'");
        }
        if (writesToStandardOutput() && session.streams().outIsTerminal()) {
            throw new RefusedException(
                    "export to standard output: it is a terminal, and an export is binary data;"
                            + " redirect it to a file or into a pipe, or name a file");
        }
        try (Store store = session.openStore();
                StoreHold _ = store.hold()) {
            Manifest manifest = store.find(reference);
            report(manifest, write(store, manifest));
        }
        return ExitCode.OK.number();
    }

    private int exportForLibvirt() throws VmckptException {
        if (writesToStandardOutput()) {
            throw usage("--format libvirt-save needs a file: the disks go beside it");
        }
        Path file = Path.of(target).toAbsolutePath();
        try (Store store = session.openStore();
                ProgressDisplay progress = session.progress()) {
            DomainRestore.Request request =
                    new DomainRestore.Request(
                            store,
                            store.find(reference),
                            session.options().libvirtUri(),
                            Path.of(file + ".disks"),
                            Map.of(),
                            Optional.empty(),
                            false,
                            false);
            DomainRestore.Report report = DomainRestore.export(request, file, progress);
            session.printResult(
                    RestoreCommand.json(report),
                    out -> out.println("Domain " + report.name() + " exported to " + file));
        }
        return ExitCode.OK.number();
    }

    private ParameterException usage(String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    private long write(Store store, Manifest manifest) throws VmckptException {
        ExportTarget destination =
                writesToStandardOutput()
                        ? new StandardOutput(session.streams().out())
                        : new NewFile(Path.of(target));
        try (ProgressDisplay progress = session.progress()) {
            return destination.write(out -> store.exportTo(manifest, out, progress));
        }
    }

    private void report(Manifest manifest, long bytes) throws VmckptException {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("id", manifest.id());
        json.put("file", target);
        json.put("bytes", bytes);
        String text = manifest.id() + " exported: " + HumanSize.format(bytes);
        if (writesToStandardOutput()) {
            session.printResultBesideData(json, out -> out.println(text));
        } else {
            session.printResult(json, out -> out.println(text + " in " + target));
        }
    }
}
