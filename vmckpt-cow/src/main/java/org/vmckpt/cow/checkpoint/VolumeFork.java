package org.vmckpt.cow.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.disk.GuestDisk;
import org.vmckpt.cow.disk.VolumeExport;
import org.vmckpt.cow.disk.VolumeLayers;
import org.vmckpt.cow.serving.ControlClient;

/**
 * The fork of those disks that are volumes, which their servers do. For one thread.
 *
 * <p>Nothing has to be taken back: a volume that was forked goes on in its new layer, and what was
 * frozen for us is let go by {@link #close}. A hold that an interrupted checkpoint left is removed
 * by the next: of one guest no two run at a time.
 */
final class VolumeFork implements AutoCloseable {
    private static final String OWNER_PREFIX = "checkpoint-";

    /** For writes that were on their way into the frozen layer, and its sync. */
    private static final long SETTLE_MILLIS = 60_000;

    private record Place(Path control, String volume) {}

    private record Server(ControlClient control, List<String> volumes) {}

    private final String owner;
    private final Map<Path, Server> servers = new TreeMap<>();

    /** By control socket and volume. */
    private final Map<Place, Path> frozen = new HashMap<>();

    private VolumeFork(CheckpointId checkpoint) {
        this.owner = OWNER_PREFIX + checkpoint;
    }

    /** Has the servers make the next layers. Disks that are no volumes are passed over. */
    static VolumeFork prepare(List<GuestDisk> disks, CheckpointId checkpoint)
            throws VmckptException {
        VolumeFork fork = new VolumeFork(checkpoint);
        try {
            for (GuestDisk disk : disks) {
                if (disk.volume().isPresent()) {
                    fork.add(disk.volume().get());
                }
            }
            for (Server server : fork.servers.values()) {
                removeLeftHolds(server);
                server.control().prepare(server.volumes(), fork.owner);
            }
            return fork;
        } catch (VmckptException e) {
            try {
                fork.close();
            } catch (VmckptException second) {
                e.addSuppressed(second);
            }
            throw e;
        }
    }

    private void add(VolumeExport export) throws VmckptException {
        Path socket = export.controlSocket();
        Server server = servers.get(socket);
        if (server == null) {
            server = new Server(ControlClient.connect(socket), new ArrayList<>());
            servers.put(socket, server);
        }
        server.volumes().add(export.volume());
    }

    private static void removeLeftHolds(Server server) throws VmckptException {
        TreeSet<String> left = new TreeSet<>();
        for (JsonNode volume : server.control().status().path("volumes")) {
            if (server.volumes().contains(volume.path("name").asText())) {
                for (JsonNode owners : volume.path("holds")) {
                    owners.forEach(name -> left.add(name.asText()));
                }
            }
        }
        for (String name : left) {
            if (name.startsWith(OWNER_PREFIX)) {
                server.control().unhold(server.volumes(), name);
            }
        }
    }

    /**
     * From now on all requests of some volumes are answered with EIO.
     *
     * @return how many were under way
     */
    int beginReissue(List<GuestDisk> some, long limitMillis) throws VmckptException {
        int answered = 0;
        for (Map.Entry<Path, Server> server : servers.entrySet()) {
            List<String> names =
                    some.stream()
                            .flatMap(disk -> disk.volume().stream())
                            .filter(it -> it.controlSocket().equals(server.getKey()))
                            .map(VolumeExport::volume)
                            .toList();
            if (!names.isEmpty()) {
                answered += server.getValue().control().beginReissue(names, limitMillis);
            }
        }
        return answered;
    }

    /** Requests are served again, also where {@link #beginReissue} failed half-way. */
    void endReissue() throws VmckptException {
        for (Server server : servers.values()) {
            server.control().endReissue();
        }
    }

    /** The guest stands still and has no request under way. */
    void fork() throws VmckptException {
        for (Map.Entry<Path, Server> entry : servers.entrySet()) {
            Server server = entry.getValue();
            JsonNode answer = server.control().fork(server.volumes(), Optional.of(owner));
            for (JsonNode one : answer.path("forks")) {
                String volume = one.path("volume").asText();
                frozen.put(new Place(entry.getKey(), volume), Path.of(one.path("frozen").asText()));
            }
        }
    }

    /** The disks as they were frozen, with all files of volumes at rest and durable. */
    List<GuestDisk> settle(List<GuestDisk> disks) throws VmckptException {
        for (Server server : servers.values()) {
            server.control().settle(server.volumes(), SETTLE_MILLIS);
        }
        List<GuestDisk> settled = new ArrayList<>();
        for (GuestDisk disk : disks) {
            settled.add(disk.volume().isPresent() ? frozen(disk, disk.volume().get()) : disk);
        }
        return settled;
    }

    private GuestDisk frozen(GuestDisk disk, VolumeExport export) throws VmckptException {
        Path file = frozen.get(new Place(export.controlSocket(), export.volume()));
        Server server = servers.get(export.controlSocket());
        if (file == null || server == null) {
            throw new ProtocolException(
                    "forking volume " + export.volume() + ": its server named no frozen file");
        }
        return VolumeLayers.frozen(disk, server.control(), file);
    }

    /** The frozen files are not needed any more. */
    @Override
    public void close() throws VmckptException {
        VmckptException failure = null;
        for (Server server : servers.values()) {
            try (ControlClient control = server.control()) {
                control.unhold(server.volumes(), owner);
            } catch (VmckptException e) {
                failure = e;
            }
        }
        servers.clear();
        if (failure != null) {
            throw failure;
        }
    }
}
