package org.vmckpt.cow.restore;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
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
 * @param serveDisks make the disks volumes, and serve them in a process that ends with the guest's
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
        boolean serveDisks,
        Optional<Path> qemuBinary,
        Duration timeout) {

    public static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(30);
    private static final String DISK_SOCKET_NAME = "volumes.nbd";

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
                false,
                Optional.empty(),
                DEFAULT_TIMEOUT);
    }

    /** Where the disks are served, if they are. */
    Optional<Path> diskSocket() {
        return serveDisks && !manifest.disks().isEmpty()
                ? Optional.of(disksDirectory.resolve(DISK_SOCKET_NAME))
                : Optional.empty();
    }

    RestoreRequest withManifest(Manifest stored) {
        return with(fields -> fields.manifest = stored);
    }

    public RestoreRequest withMaps(Map<Path, Path> maps) {
        return with(fields -> fields.maps = maps);
    }

    public RestoreRequest withArguments(List<String> arguments) {
        return with(fields -> fields.arguments = arguments);
    }

    public RestoreRequest withPaused(boolean paused) {
        return with(fields -> fields.paused = paused);
    }

    public RestoreRequest withServedDisks(boolean serveDisks) {
        return with(fields -> fields.serveDisks = serveDisks);
    }

    public RestoreRequest withQemuBinary(Path binary) {
        return with(fields -> fields.qemuBinary = Optional.of(binary));
    }

    private RestoreRequest with(Consumer<Fields> change) {
        Fields fields = new Fields(this);
        change.accept(fields);
        return new RestoreRequest(
                store,
                fields.manifest,
                qmpPath,
                disksDirectory,
                fields.maps,
                fields.arguments,
                fields.paused,
                fields.serveDisks,
                fields.qemuBinary,
                timeout);
    }

    /** What a changed request may have otherwise. */
    private static final class Fields {
        private Manifest manifest;
        private Map<Path, Path> maps;
        private List<String> arguments;
        private boolean paused;
        private boolean serveDisks;
        private Optional<Path> qemuBinary;

        Fields(RestoreRequest request) {
            this.manifest = request.manifest;
            this.maps = request.maps;
            this.arguments = request.arguments;
            this.paused = request.paused;
            this.serveDisks = request.serveDisks;
            this.qemuBinary = request.qemuBinary;
        }
    }
}
