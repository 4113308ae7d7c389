package org.vmckpt.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.restore.RestoreRequest;
import picocli.CommandLine.Option;

/** How the guest that comes from a checkpoint differs from the one that was saved. */
final class NewGuestOptions {
    @Option(
            names = "--map",
            paramLabel = "OLD=NEW",
            description = {
                "A file or folder of the checkpoint's host, and where it is on this one. May be"
                        + " given several times; the longest match wins."
            })
    private Map<Path, Path> maps = new LinkedHashMap<>();

    @Option(
            names = "--arg",
            paramLabel = "ARG",
            description = {
                "A QEMU option that replaces the recorded one or joins the others, for example"
                        + " --arg '-netdev user,id=net0'. May be given several times."
            })
    private List<String> arguments = List.of();

    @Option(names = "--paused", description = "Leave the guest stopped; QMP's cont starts it.")
    private boolean paused;

    @Option(
            names = "--serve-disks",
            description = {
                "Make the disks volumes, and have vmckpt serve them to the new guest over NBD, in a"
                    + " process that ends with its QEMU. Checkpoints of the guest then need not"
                    + " wait for its requests (--disk-io reissue). By default they are files that"
                    + " QEMU opens itself."
            })
    private boolean serveDisks;

    @Option(
            names = "--qemu",
            paramLabel = "BINARY",
            description = "The QEMU to start, in place of the recorded one.")
    private @Nullable Path qemuBinary;

    Map<Path, Path> maps() {
        return maps;
    }

    boolean paused() {
        return paused;
    }

    /** Whether one is given that a domain of libvirt cannot have. */
    boolean needQemuOfOurs() {
        return serveDisks || !arguments.isEmpty() || qemuBinary != null;
    }

    RestoreRequest request(Store store, Manifest manifest, Path qmpSocket, Path disks) {
        return new RestoreRequest(
                store,
                manifest,
                qmpSocket,
                disks,
                maps,
                arguments,
                paused,
                serveDisks,
                Optional.ofNullable(qemuBinary),
                RestoreRequest.DEFAULT_TIMEOUT);
    }
}
