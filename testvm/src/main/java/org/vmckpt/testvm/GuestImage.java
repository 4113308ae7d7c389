package org.vmckpt.testvm;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * The folder that {@code testvm/image/build} made.
 *
 * @param folder holds {@code vmlinux}, {@code initramfs}, {@code counter.img} and {@code
 *     slowdisk.so}
 */
public record GuestImage(Path folder) {
    private static final Path BUILD_SCRIPT = Path.of("testvm", "image", "build");

    /** Runs the build script, which does nothing when its inputs have not changed. */
    public static GuestImage ensureBuilt() {
        return new GuestImage(Path.of(Commands.run(List.of(buildScript().toString()))));
    }

    /**
     * An initramfs with the QEMU guest agent: see {@code testvm/image/agent-init}. It is made when
     * it is first wanted.
     */
    public static Path initramfsWithAgent() {
        Path script = buildScript().resolveSibling("agent");
        return Path.of(Commands.run(List.of(script.toString())));
    }

    public Path kernel() {
        return folder.resolve("vmlinux");
    }

    public Path initramfs() {
        return folder.resolve("initramfs");
    }

    /** A disk that boots into {@code testvm/image/counter.s}. */
    public Path countingDisk() {
        return folder.resolve("counter.img");
    }

    /** The library that {@link SlowDisk} preloads into QEMU. */
    public Path slowDiskLibrary() {
        return folder.resolve("slowdisk.so");
    }

    /** Tests run in a module's folder, people anywhere in the repository: look upwards. */
    static Path buildScript() {
        Path start = Path.of("").toAbsolutePath();
        for (Path folder = start; folder != null; folder = folder.getParent()) {
            Path script = folder.resolve(BUILD_SCRIPT);
            if (Files.isExecutable(script)) {
                return script;
            }
        }
        throw new TestGuestException(
                "no %s in %s or above it: run this inside the vmckpt repository"
                        .formatted(BUILD_SCRIPT, start));
    }
}
