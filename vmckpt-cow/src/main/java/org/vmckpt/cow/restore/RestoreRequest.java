package org.vmckpt.cow.restore;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.store.Store;

/**
 * What to bring back, and where.
 *
 * @param qmpPath the new guest's QMP socket; must not exist
 * @param disksDirectory gets the new guest's disks and QEMU's log; must not exist, or be empty
 * @param maps new path by recorded path, of files or folders; the longest match wins
 * @param arguments QEMU options that replace or join the recorded ones, each as on a command line
 * @param paused leave the guest stopped
 * @param qemuBinary in place of the recorded one
 * @param timeout for QEMU to answer at each step; not for filling memory and disks
 */
public record RestoreRequest(
        Store store,
        Manifest manifest,
        Path qmpPath,
        Path disksDirectory,
        Map<Path, Path> maps,
        List<String> arguments,
        boolean paused,
        Optional<Path> qemuBinary,
        Duration timeout) {

    public static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(30);

    public RestoreRequest {
        qmpPath = qmpPath.toAbsolutePath().normalize();
        disksDirectory = disksDirectory.toAbsolutePath().normalize();
        maps = Map.copyOf(maps);
        arguments = List.copyOf(arguments);
    }

    /** A request with nothing mapped or changed. */
    public static RestoreRequest of(
            Store store, Manifest manifest, Path qmpPath, Path disksDirectory) {
        return new RestoreRequest(
                store,
                manifest,
                qmpPath,
                disksDirectory,
                Map.of(),
                List.of(),
                false,
                Optional.empty(),
                DEFAULT_TIMEOUT);
    }

    RestoreRequest withManifest(Manifest stored) {
        return new RestoreRequest(
                store,
                stored,
                qmpPath,
                disksDirectory,
                maps,
                arguments,
                paused,
                qemuBinary,
                timeout);
    }

    public RestoreRequest withMaps(Map<Path, Path> maps) {
        return new RestoreRequest(
                store,
                manifest,
                qmpPath,
                disksDirectory,
                maps,
                arguments,
                paused,
                qemuBinary,
                timeout);
    }

    public RestoreRequest withArguments(List<String> arguments) {
        return new RestoreRequest(
                store,
                manifest,
                qmpPath,
                disksDirectory,
                maps,
                arguments,
                paused,
                qemuBinary,
                timeout);
    }

    public RestoreRequest withPaused(boolean paused) {
        return new RestoreRequest(
                store,
                manifest,
                qmpPath,
                disksDirectory,
                maps,
                arguments,
                paused,
                qemuBinary,
                timeout);
    }

    public RestoreRequest withQemuBinary(Path binary) {
        return new RestoreRequest(
                store,
                manifest,
                qmpPath,
                disksDirectory,
                maps,
                arguments,
                paused,
                Optional.of(binary),
                timeout);
    }
}
