package org.vmckpt.cow.restore;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.vmckpt.core.Manifest.GuestDefinition;
import org.vmckpt.core.VmckptException;

/** The QEMU that runs the restored guest. */
record QemuBinary(Path path) {
    private static final Pattern VERSION = Pattern.compile("version (\\d+)\\.(\\d+)\\S*");

    /**
     * The binary that was asked for, else the recorded one, else one of that name on this host's
     * PATH. Empty, with the reason among the problems, when there is none of the right version.
     */
    static Optional<QemuBinary> find(
            Optional<Path> wanted, GuestDefinition guest, Problems problems) {
        Path recorded = Path.of(guest.binary());
        Optional<Path> found =
                wanted.isPresent()
                        ? wanted.filter(Files::isExecutable)
                        : Optional.of(recorded)
                                .filter(Files::isExecutable)
                                .or(() -> onSearchPath(recorded));
        if (found.isEmpty()) {
            problems.notFound(
                    "QEMU %s is not on this host: install it, or give --qemu BINARY"
                            .formatted(wanted.orElse(recorded)));
            return Optional.empty();
        }
        QemuBinary binary = new QemuBinary(found.get());
        binary.checkVersion(guest, problems);
        return Optional.of(binary);
    }

    private static Optional<Path> onSearchPath(Path binary) {
        String searchPath = Optional.ofNullable(System.getenv("PATH")).orElse("");
        return Arrays.stream(searchPath.split(File.pathSeparator))
                .map(folder -> Path.of(folder).resolve(binary.getFileName()))
                .filter(Files::isExecutable)
                .findFirst();
    }

    private void checkVersion(GuestDefinition guest, Problems problems) {
        String printed;
        try {
            printed = Command.run(List.of(path.toString(), "--version"));
        } catch (VmckptException e) {
            problems.unsupported(
                    "%s --version failed (%s): give --qemu BINARY".formatted(path, e.getMessage()));
            return;
        }
        Matcher version = VERSION.matcher(printed);
        String found = version.find() ? version.group(1) : "unknown";
        String expected = guest.qemuVersion().split("\\.", -1)[0];
        if (!found.equals(expected)) {
            problems.unsupported(
                    "the guest ran on QEMU %s, and %s is %s: its major version must be %s, give --qemu BINARY"
                            .formatted(
                                    guest.qemuVersion(),
                                    path,
                                    found.equals("unknown") ? "no QEMU" : version.group(),
                                    expected));
        }
    }

    /** {@code qemu-img} of the same installation when there is one. */
    String imageTool() throws IOException {
        Path sibling = path.toRealPath().resolveSibling("qemu-img");
        return Files.isExecutable(sibling) ? sibling.toString() : "qemu-img";
    }
}
