package org.vmckpt.cow.definition;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.vmckpt.core.Json;
import org.vmckpt.core.Manifest.GuestDefinition;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/** Reads from a live QEMU what it takes to start an equal one. */
public final class GuestDefinitionReader {
    /** The kernel adds it to the target of {@code exe} when the binary was replaced since. */
    private static final String DELETED = " (deleted)";

    private GuestDefinitionReader() {}

    /**
     * Reads the definition; {@code running} is as of this call.
     *
     * @param pid of the QEMU behind {@code qmp}
     */
    public static GuestDefinition read(long pid, QmpClient qmp) throws VmckptException {
        Path proc = Path.of("/proc", Long.toString(pid));
        return new GuestDefinition(
                qmp.execute("query-name").path("name").asText("guest"),
                qmp.execute("query-uuid").path("UUID").asText(""),
                qmp.version().number(),
                qmp.version().packageName(),
                binary(proc),
                arguments(proc),
                link(proc.resolve("cwd")),
                machineType(qmp),
                qmp.execute("query-kvm").path("enabled").asBoolean() ? "kvm" : "tcg",
                HostCpu.flags(),
                qmp.socketPath().toAbsolutePath().normalize().toString(),
                qmp.execute("query-cpus-fast").size(),
                qmp.execute("query-status").path("running").asBoolean());
    }

    private static String binary(Path proc) throws VmckptException {
        String target = link(proc.resolve("exe"));
        return target.endsWith(DELETED)
                ? target.substring(0, target.length() - DELETED.length())
                : target;
    }

    private static String link(Path link) throws VmckptException {
        try {
            return Files.readSymbolicLink(link).toString();
        } catch (IOException e) {
            throw unreadable(link, e);
        }
    }

    private static List<String> arguments(Path proc) throws VmckptException {
        Path file = proc.resolve("cmdline");
        try {
            return splitArguments(Files.readAllBytes(file));
        } catch (IOException e) {
            throw unreadable(file, e);
        }
    }

    private static VmckptException unreadable(Path path, IOException cause) {
        if (cause instanceof AccessDeniedException) {
            return new UnsupportedException(
                    "reading the guest's definition: %s may not be read: vmckpt needs root, or CAP_SYS_PTRACE, to look into QEMU"
                            .formatted(path),
                    cause);
        }
        return new NotFoundException(
                "reading the guest's definition: cannot read %s (%s): check that QEMU runs"
                        .formatted(path, cause.getMessage()),
                cause);
    }

    /** Without argv[0]; every argument ends in a zero byte, and may be empty. */
    static List<String> splitArguments(byte[] cmdline) {
        List<String> arguments = new ArrayList<>();
        int start = 0;
        for (int i = 0; i < cmdline.length; i++) {
            if (cmdline[i] == 0) {
                arguments.add(new String(cmdline, start, i - start, StandardCharsets.UTF_8));
                start = i + 1;
            }
        }
        return arguments.isEmpty() ? arguments : arguments.subList(1, arguments.size());
    }

    /** QEMU resolves an alias such as {@code pc} when it starts; the type's name is versioned. */
    public static String machineType(QmpClient qmp) throws VmckptException {
        String type =
                qmp.execute(
                                "qom-get",
                                Json.MAPPER
                                        .createObjectNode()
                                        .put("path", "/machine")
                                        .put("property", "type"))
                        .asText()
                        .replaceFirst("-machine$", "");
        for (JsonNode machine : qmp.execute("query-machines")) {
            if (machine.path("alias").asText("").equals(type)) {
                return machine.path("name").asText();
            }
        }
        return type;
    }
}
