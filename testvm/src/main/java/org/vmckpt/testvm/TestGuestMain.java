package org.vmckpt.testvm;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.Json;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Boots a guest by hand or from a script, and prints one line of JSON that says where it is. */
@Command(
        name = "testguest",
        mixinStandardHelpOptions = true,
        description = {
            "Boots the test guest and prints {qmp, pid, console, commands, directory, nonce}.",
            "Runs until the guest ends or Ctrl-C, then deletes all of it."
        })
public final class TestGuestMain implements Callable<Integer> {
    @Option(names = "--memory", paramLabel = "SIZE", description = "default: 512M")
    private String memory = "512M";

    @Option(names = "--vcpus", paramLabel = "N", description = "default: 2")
    private int vcpus = 2;

    @Option(names = "--machine", paramLabel = "TYPE", description = "pc (default) or q35")
    private String machine = "pc";

    @Option(
            names = "--memory-kind",
            description = "one of ${COMPLETION-CANDIDATES}; default: memfd")
    private GuestMemoryKind memoryKind = GuestMemoryKind.MEMFD;

    @Option(
            names = "--disk",
            paramLabel = "SIZE:FORMAT[:blockdev]",
            description = "may be given several times, for example 64M:qcow2 or 1G:raw:blockdev")
    private List<String> disks = List.of();

    @Option(names = "--mem-region", paramLabel = "SIZE", description = "default: 128M")
    private String memoryRegion = "128M";

    @Option(names = "--mem-fill", description = "write the whole region once at boot")
    private boolean fill;

    @Option(names = "--mem-rate", paramLabel = "N|max", description = "pages/s; default: 0")
    private String memoryRate = "0";

    @Option(names = "--disk-rate", paramLabel = "N|max", description = "extents/s; default: 0")
    private String diskRate = "0";

    @Option(names = "--stall-region", paramLabel = "SIZE", description = "default: 16M")
    private String stallRegion = "16M";

    @Option(names = "--stall-rate", paramLabel = "N|max", description = "touches/s; default: 0")
    private String stallRate = "0";

    @Option(names = "--dir", paramLabel = "DIR", description = "default: a temporary folder")
    private @Nullable Path directory;

    @Option(names = "--netns", paramLabel = "NAME", description = "network namespace for QEMU")
    private @Nullable String networkNamespace;

    @Option(names = "--qemu-arg", paramLabel = "ARG", description = "one more argument for QEMU")
    private List<String> qemuArguments = List.of();

    @Option(names = "--detach", description = "return when the guest has booted; it runs on")
    private boolean detach;

    public static void main(String[] arguments) {
        CommandLine commandLine = new CommandLine(new TestGuestMain());
        commandLine.setCaseInsensitiveEnumValuesAllowed(true);
        System.exit(commandLine.execute(arguments));
    }

    @Override
    public Integer call() throws InterruptedException {
        TestGuest guest = builder().start();
        System.out.println(describe(guest, guest.awaitBoot()));
        if (detach) {
            guest.detach();
            return 0;
        }
        return guest.waitFor();
    }

    private TestGuestBuilder builder() {
        try {
            return parseBuilder();
        } catch (IllegalArgumentException e) {
            String problem = Objects.requireNonNullElse(e.getMessage(), "bad argument");
            throw new CommandLine.ParameterException(new CommandLine(this), problem, e);
        }
    }

    private TestGuestBuilder parseBuilder() {
        TestGuestBuilder builder =
                TestGuest.builder()
                        .memory(parseBytes(memory))
                        .vcpus(vcpus)
                        .machine(machine)
                        .memoryKind(memoryKind)
                        .workload(workload())
                        .extraArguments(qemuArguments);
        disks.forEach(disk -> builder.disk(parseDisk(disk)));
        if (directory != null) {
            builder.directory(directory);
        }
        if (networkNamespace != null) {
            builder.networkNamespace(networkNamespace);
        }
        return builder;
    }

    private Workload workload() {
        Workload workload =
                Workload.idle(parseBytes(memoryRegion))
                        .memory(new Rate(memoryRate))
                        .disk(new Rate(diskRate))
                        .stall(parseBytes(stallRegion), new Rate(stallRate));
        return fill ? workload.filled() : workload;
    }

    private static ObjectNode describe(TestGuest guest, ConsoleLine.Boot boot) {
        return Json.MAPPER
                .createObjectNode()
                .put("qmp", guest.qmpSocket().toString())
                .put("pid", guest.pid())
                .put("console", guest.consoleLog().toString())
                .put("commands", guest.commandSocket().toString())
                .put("directory", guest.folder().toString())
                .put("nonce", boot.nonce());
    }

    static TestDisk parseDisk(String text) {
        String[] parts = text.split(":", -1);
        if (parts.length < 2 || parts.length > 3) {
            throw new IllegalArgumentException("not SIZE:FORMAT[:blockdev]: " + text);
        }
        TestDisk.Format format = TestDisk.Format.valueOf(parts[1].toUpperCase(Locale.ROOT));
        TestDisk.Attachment attachment =
                parts.length == 2
                        ? TestDisk.Attachment.DRIVE
                        : TestDisk.Attachment.valueOf(parts[2].toUpperCase(Locale.ROOT));
        return new TestDisk(parseBytes(parts[0]), format, attachment, TestDisk.Bus.VIRTIO_BLK);
    }

    /** A number with an optional K, M or G. */
    static long parseBytes(String text) {
        if (!text.matches("[0-9]{1,12}[KMG]?")) {
            throw new IllegalArgumentException("not a size like 512M: " + text);
        }
        int shift =
                switch (text.charAt(text.length() - 1)) {
                    case 'K' -> 10;
                    case 'M' -> 20;
                    case 'G' -> 30;
                    default -> 0;
                };
        String number = shift == 0 ? text : text.substring(0, text.length() - 1);
        return Long.parseLong(number) << shift;
    }
}
