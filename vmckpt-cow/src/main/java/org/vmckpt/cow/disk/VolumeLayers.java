package org.vmckpt.cow.disk;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.FileIdentity;
import org.vmckpt.cow.qcow2.ImageChain;
import org.vmckpt.cow.qcow2.ImageChain.ChainFile;
import org.vmckpt.cow.serving.ControlClient;

/** The files of a volume, which its server knows and QEMU does not. */
public final class VolumeLayers {
    private static final String CONTENT = "#content";

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
        List<ChainFile> files = new ArrayList<>();
        for (JsonNode file : volume.path("layers")) {
            String format = volume.path("formats").path(files.size()).asText("qcow2");
            files.add(new ChainFile(Path.of(file.asText()), format));
        }
        if (files.isEmpty()) {
            throw new ProtocolException("volume " + volume.path("name") + " has no files");
        }
        // Its own files are not looked into: one that is being folded into changes now.
        if (volume.path("foreignBase").asBoolean(true)) {
            for (ChainFile file : below(files.getFirst())) {
                layers.add(layer(node, file, sizeBytes, Optional.empty()));
            }
        }
        for (int i = 0; i < files.size(); i++) {
            layers.add(layer(node, files.get(i), sizeBytes, content(volume, i)));
        }
        return layers;
    }

    private static DiskLayer layer(
            String node, ChainFile file, long sizeBytes, Optional<FileIdentity> content) {
        return new DiskLayer(
                node,
                node,
                file.format(),
                file.path(),
                file.path(),
                sizeBytes,
                content,
                Optional.empty());
    }

    /** What the server vouches for; of one volume the store remembers the newest alone. */
    private static Optional<FileIdentity> content(JsonNode volume, int layer) {
        long number = volume.path("contents").path(layer).asLong();
        return number == 0
                ? Optional.empty()
                : Optional.of(
                        FileIdentity.vouched(
                                volume.path("folder").asText() + CONTENT,
                                volume.path("session").asLong(),
                                number));
    }

    /** The first file may be somebody else's base, with a chain that the volume does not list. */
    private static List<ChainFile> below(ChainFile base) throws VmckptException {
        List<ChainFile> oldestFirst = ImageChain.files(base.path(), base.format()).reversed();
        return oldestFirst.subList(0, oldestFirst.size() - 1);
    }
}
