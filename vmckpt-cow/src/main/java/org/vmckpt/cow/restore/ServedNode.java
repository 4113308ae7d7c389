package org.vmckpt.cow.restore;

import java.util.List;
import java.util.Optional;
import org.vmckpt.cow.definition.OptionProperties;

/**
 * The properties that make a {@code -blockdev} or {@code -drive} of a volume that vmckpt serves, in
 * place of those of a file. What is said of any disk, such as its cache mode, stays.
 */
final class ServedNode {
    /** How long QEMU waits for a server that is started again. */
    private static final long RECONNECT_SECONDS = 60;

    /** Of the drivers of files and of their formats. */
    private static final List<String> FILE_KEYS =
            List.of(
                    "file",
                    "filename",
                    "format",
                    "backing",
                    "offset",
                    "size",
                    "locking",
                    "aio",
                    "aio-max-batch",
                    "pr-manager",
                    "drop-cache",
                    "lazy-refcounts",
                    "pass-discard-request",
                    "pass-discard-snapshot",
                    "pass-discard-other",
                    "discard-no-unref",
                    "overlap-check",
                    "cache-size",
                    "l2-cache-size",
                    "l2-cache-entry-size",
                    "refcount-cache-size",
                    "cache-clean-interval",
                    "data-file",
                    "encrypt");

    static final List<String> NBD_KEYS =
            List.of(
                    "server",
                    "export",
                    "path",
                    "reconnect-delay",
                    "open-timeout",
                    "tls-creds",
                    "tls-hostname",
                    "x-dirty-bitmap");

    private ServedNode() {}

    static OptionProperties of(OptionProperties file, RestoredDisk disk) {
        OptionProperties bare = file;
        for (String key : FILE_KEYS) {
            bare = bare.without(key);
        }
        for (String key : NBD_KEYS) {
            bare = bare.without(key);
        }
        return bare.with("driver", "nbd")
                .with("export", disk.export())
                .with("server.type", "unix")
                .with("server.path", disk.socket().orElseThrow().toString())
                .with("reconnect-delay", RECONNECT_SECONDS);
    }

    /** Whether it is one of these. */
    static boolean isOf(OptionProperties node, List<RestoredDisk> disks) {
        Optional<String> path = node.get("server.path");
        return path.isPresent()
                && disks.stream().anyMatch(it -> path.equals(it.socket().map(Object::toString)));
    }
}
