package org.vmckpt.cow.disk;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.cow.definition.QemuCommandLine;
import org.vmckpt.cow.definition.QemuOption;
import org.vmckpt.cow.definition.QemuOption.Origin;

/**
 * The {@code aio} setting of a disk. QEMU answers no question about it, so it is read from QEMU's
 * arguments; for a disk that was plugged in later it stays unknown.
 */
final class AsyncIo {
    private final QemuCommandLine arguments;

    private AsyncIo(QemuCommandLine arguments) {
        this.arguments = arguments;
    }

    static AsyncIo of(long qemuPid) throws NotFoundException {
        Path file = Path.of("/proc", Long.toString(qemuPid), "cmdline");
        try {
            String[] words = Files.readString(file, StandardCharsets.ISO_8859_1).split("\0", -1);
            // The first is the binary; behind the last terminator there is nothing.
            List<String> line = List.of(words).subList(1, Math.max(1, words.length - 1));
            return new AsyncIo(QemuCommandLine.parse(line, Origin.RECORDED));
        } catch (IOException e) {
            throw new NotFoundException(
                    "reading the arguments of QEMU process " + qemuPid + ": " + e, e);
        }
    }

    /** {@code threads}, {@code native} or {@code io_uring}; empty for QEMU's default. */
    Optional<String> of(String device, DiskLayer origin, CacheMode cache) {
        return Stream.of(
                        property("drive", device, "aio"),
                        property("blockdev", origin.fileNodeName(), "aio"),
                        property("blockdev", origin.nodeName(), "file.aio"))
                .flatMap(Optional::stream)
                // QEMU refuses native without O_DIRECT.
                .filter(aio -> cache.direct() || !aio.equals("native"))
                .findFirst();
    }

    private Optional<String> property(String option, String id, String key) {
        return arguments.named(option).stream()
                .filter(candidate -> candidate.id().filter(id::equals).isPresent())
                .map(QemuOption::properties)
                .flatMap(properties -> properties.get(key).stream())
                .findFirst();
    }
}
