package org.vmckpt.cow.disk;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.serving.ControlClient;

/** The files of a volume, which its server knows and QEMU does not. */
public final class VolumeLayers {
    private VolumeLayers() {}

    /**
     * Asks the server.
     *
     * @param node QEMU's node of the disk
     * @return oldest first; the last is active
     */
    static List<DiskLayer> query(VolumeExport export, String node) throws VmckptException {
        try (ControlClient server = ControlClient.connect(export.controlSocket())) {
            return query(server, export, node);
        }
    }

    private static List<DiskLayer> query(ControlClient server, VolumeExport export, String node)
            throws VmckptException {
        for (JsonNode volume : server.status().path("volumes")) {
            if (volume.path("name").asText().equals(export.volume())) {
                return layers(volume, node);
            }
        }
        throw new NotFoundException(
                export.controlSocket() + ": no volume '" + export.volume() + "' is served there");
    }

    /**
     * The disk as it was frozen.
     *
     * @param server of its volume, which keeps the frozen file for us
     * @param frozen the newest of the frozen files
     */
    public static GuestDisk frozen(GuestDisk disk, ControlClient server, Path frozen)
            throws VmckptException {
        VolumeExport export = disk.volume().orElseThrow();
        List<DiskLayer> layers = new ArrayList<>();
        for (DiskLayer layer : query(server, export, disk.active().nodeName())) {
            layers.add(layer);
            if (layer.hostPath().equals(frozen)) {
                return disk.withLayers(layers);
            }
        }
        throw new ProtocolException(
                "copying volume "
                        + export.volume()
                        + ": expected the frozen file "
                        + frozen
                        + " among its files, found only "
                        + layers.stream().map(DiskLayer::hostPath).toList());
    }

    private static List<DiskLayer> layers(JsonNode volume, String node) throws VmckptException {
        long sizeBytes = volume.path("sizeBytes").asLong();
        List<DiskLayer> layers = new ArrayList<>();
        for (JsonNode file : volume.path("layers")) {
            Path path = Path.of(file.asText());
            String format = volume.path("formats").path(layers.size()).asText("qcow2");
            boolean first = layers.isEmpty();
            if (first) {
                requireNothingBelow(path, format);
            }
            layers.add(new DiskLayer(node, node, format, path, path, sizeBytes));
        }
        if (layers.isEmpty()) {
            throw new ProtocolException("volume " + volume.path("name") + " has no files");
        }
        return layers;
    }

    /** The first file may be somebody else's base, with a chain that the volume does not list. */
    private static void requireNothingBelow(Path base, String format) throws VmckptException {
        try (FrozenFileReader reader = FrozenFileReader.open(base, format)) {
            if (reader instanceof Qcow2Reader qcow2 && qcow2.header().backingName().isPresent()) {
                throw new UnsupportedException(
                        "checkpoint of a volume on "
                                + base
                                + ": that file lies on "
                                + qcow2.header().backingName().get()
                                + "; a volume can be checkpointed when its base stands alone:"
                                + " convert it with qemu-img convert");
            }
        }
    }
}
