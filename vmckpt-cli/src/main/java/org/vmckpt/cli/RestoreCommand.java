package org.vmckpt.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.restore.DomainRestore;
import org.vmckpt.cow.restore.RestoreReport;
import org.vmckpt.cow.restore.RestoreRequest;
import org.vmckpt.cow.restore.RestoreService;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Brings a checkpoint back as a new guest. */
@Command(
        name = "restore",
        header = "Bring a checkpoint back as a new guest.",
        description = {
            "%nStarts QEMU as it was started when the checkpoint was taken, fills its memory, gives"
                + " it the checkpointed disks with new overlays over them, and lets it run. A"
                + " checkpoint can be restored many times, also side by side: it is never written"
                + " to.%n",
            "Paths of the old host are mapped. What cannot be mapped is an error before QEMU"
                    + " starts, which says what to give.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  vmckpt restore latest --qmp /run/vm2/qmp.sock --disks /var/lib/vm2",
            "  # with disks that vmckpt serves, so that their requests never lengthen a pause",
            "  vmckpt restore latest --qmp /run/vm2/qmp.sock --disks /srv/vm2 --serve-disks",
            "  # on another host, whose files lie elsewhere and which has no tap0",
            "  vmckpt restore before-upgrade --qmp /run/vm2/qmp.sock --disks /var/lib/vm2 \\",
            "      --map /srv/images=/mnt/images --arg '-netdev user,id=net0'",
            "  vmckpt restore latest --libvirt --as vm2 --new-identity --disks /var/lib/vm2"
        })
final class RestoreCommand implements Callable<Integer> {
    private final Session session;

    @Parameters(paramLabel = "CKPT", description = CheckpointReference.DESCRIPTION)
    private String reference = "";

    @Option(
            names = "--qmp",
            paramLabel = "PATH",
            description = "The new guest's QMP socket; must not exist. Not with --libvirt.")
    private @Nullable Path qmpPath;

    @Option(
            names = "--libvirt",
            description = {
                "Bring a checkpoint of a domain back as a domain of libvirt, which is defined and"
                        + " started (see --connect)."
            })
    private boolean libvirt;

    @Option(
            names = "--as",
            paramLabel = "NAME",
            description = "The domain's name, in place of the recorded one.")
    private @Nullable String name;

    @Option(
            names = "--new-identity",
            description = {
                "Give the domain another UUID, and let libvirt choose new addresses for its network"
                    + " cards. The guest itself keeps what it has read of them until it is started"
                    + " anew."
            })
    private boolean newIdentity;

    @Spec private CommandSpec spec = CommandSpec.create();

    @Option(
            names = "--disks",
            required = true,
            paramLabel = "DIR",
            description = "A folder for the new guest's disks; must be empty, or not exist.")
    private Path disksDirectory = Path.of("");

    @Mixin private NewGuestOptions guest = new NewGuestOptions();

    @Mixin private HookOptions hooks = new HookOptions();

    RestoreCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        requireFitting();
        try (Store store = session.openStore()) {
            if (libvirt) {
                DomainRestore.Report report = restoreDomain(store);
                session.printResult(json(report), out -> print(report, out));
                return ExitCode.OK.number();
            }
            RestoreReport report = restore(store);
            session.printResult(
                    RestoreReportText.json(report), out -> RestoreReportText.print(report, out));
        }
        return ExitCode.OK.number();
    }

    private DomainRestore.Report restoreDomain(Store store) throws VmckptException {
        DomainRestore.Request request =
                new DomainRestore.Request(
                        store,
                        store.find(reference),
                        session.options().libvirtUri(),
                        disksDirectory,
                        guest.maps(),
                        Optional.ofNullable(name),
                        newIdentity,
                        guest.paused());
        try (ProgressDisplay progress = session.progress()) {
            return DomainRestore.restore(request, hooks.hooks(), progress);
        }
    }

    private void requireFitting() {
        if (libvirt && (qmpPath != null || guest.needQemuOfOurs())) {
            throw usage("--libvirt goes with none of --qmp, --arg, --qemu and --serve-disks");
        }
        if (!libvirt && (name != null || newIdentity)) {
            throw usage("--as and --new-identity go with --libvirt only");
        }
        if (!libvirt && qmpPath == null) {
            throw usage("Missing required option: '--qmp=PATH' (or '--libvirt')");
        }
    }

    private ParameterException usage(String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    static Map<String, Object> json(DomainRestore.Report report) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("domain", report.name());
        json.put("uuid", report.uuid().toString());
        json.put("running", report.running());
        Map<String, String> disks = new LinkedHashMap<>();
        report.disks().forEach((target, file) -> disks.put(target, file.toString()));
        json.put("disks", disks);
        return json;
    }

    static void print(DomainRestore.Report report, PrintWriter out) {
        out.println(
                "Domain "
                        + report.name()
                        + (report.running() ? " runs." : " is loaded and paused."));
        Table table = new Table().row("  UUID", report.uuid().toString());
        report.disks().forEach((target, file) -> table.row("  Disk", target + " on " + file));
        table.print(out);
    }

    private RestoreReport restore(Store store) throws VmckptException {
        Path qmp = Objects.requireNonNull(qmpPath);
        RestoreRequest request = guest.request(store, store.find(reference), qmp, disksDirectory);
        try (ProgressDisplay progress = session.progress()) {
            return new RestoreService().restore(request, hooks.hooks(), progress);
        }
    }
}
