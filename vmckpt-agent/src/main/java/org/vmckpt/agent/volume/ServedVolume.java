package org.vmckpt.agent.volume;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.agent.config.AgentConfig;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.serving.ControlClient;
import org.vmckpt.cow.serving.DetachedServer;
import org.vmckpt.cow.volume.VolumeFolder;
import org.vmckpt.cow.volume.VolumeInfo;

/** One volume of the configuration. */
final class ServedVolume {
    private static final Logger LOG = LoggerFactory.getLogger(ServedVolume.class);
    private static final Duration START_LIMIT = Duration.ofSeconds(30);
    private static final Duration SETTLE_LIMIT = Duration.ofSeconds(60);

    /** Never ends, so neither does a server that ends with it. */
    private static final long INIT = 1;

    private final AgentConfig.Volume volume;
    private volatile Optional<String> problem = Optional.empty();

    ServedVolume(AgentConfig.Volume volume) {
        this.volume = volume;
    }

    AgentConfig.Volume volume() {
        return volume;
    }

    /**
     * Starts a server if nobody has the volume.
     *
     * @return whether it is served, by whomever
     */
    boolean ensureServed() {
        try {
            if (folder().owner().isEmpty()) {
                start();
            }
            problem = Optional.empty();
            return true;
        } catch (VmckptException | IOException e) {
            String why = String.valueOf(e.getMessage());
            if (!problem.equals(Optional.of(why))) {
                LOG.warn("volume {} is not served: {}", volume.name(), why);
            }
            problem = Optional.of(why);
            return false;
        }
    }

    private VolumeFolder folder() throws VmckptException {
        return VolumeFolder.of(volume.folder());
    }

    private void start() throws VmckptException, IOException {
        // What the one before it had to say is in our log.
        Files.deleteIfExists(DetachedServer.logOf(volume.socket()));
        DetachedServer server = DetachedServer.start(List.of(volume.folder()), volume.socket());
        boolean served = false;
        try {
            server.awaitServing(START_LIMIT);
            server.endWith(INIT);
            served = true;
        } finally {
            if (!served) {
                server.kill();
            }
        }
        LOG.info(
                "volume {} is served on {} by process {}",
                volume.name(),
                volume.socket(),
                server.pid());
    }

    /** Freezes what is there now; returns the server's answer. */
    JsonNode fork(Optional<String> owner) throws VmckptException {
        String name = VolumeInfo.of(folder()).name();
        try (ControlClient client = connect()) {
            return client.forkAndSettle(name, owner, SETTLE_LIMIT.toMillis());
        }
    }

    /** Folds what nobody holds; returns the server's answer. */
    JsonNode commit(Optional<String> release, long bytesPerSecond) throws VmckptException {
        List<String> name = List.of(VolumeInfo.of(folder()).name());
        try (ControlClient client = connect()) {
            if (release.isPresent()) {
                client.unhold(name, release.get());
            }
            return client.askCommit(name, bytesPerSecond);
        }
    }

    private ControlClient connect() throws VmckptException {
        return ControlClient.connect(
                folder().owner()
                        .flatMap(VolumeFolder.Owner::control)
                        .orElseThrow(() ->
                                new ConflictException(
                                        "volume "
                                                + volume.name()
                                                + " is not served just now"
                                                + problem.map(it -> ": " + it).orElse(""))));
    }

    VolumeView view() {
        try {
            VolumeInfo info = VolumeInfo.of(folder());
            return view(
                    Optional.of(info.sizeBytes()),
                    info.servedBy().map(VolumeFolder.Owner::pid),
                    info.layers().stream().map(VolumeView.Layer::of).toList(),
                    problem);
        } catch (VmckptException e) {
            return view(
                    Optional.empty(),
                    Optional.empty(),
                    List.of(),
                    Optional.of(String.valueOf(e.getMessage())));
        }
    }

    private VolumeView view(
            Optional<Long> size,
            Optional<Long> server,
            List<VolumeView.Layer> layers,
            Optional<String> why) {
        return new VolumeView(
                volume.name(),
                volume.folder().toString(),
                volume.socket().toString(),
                size,
                server,
                layers,
                why);
    }
}
