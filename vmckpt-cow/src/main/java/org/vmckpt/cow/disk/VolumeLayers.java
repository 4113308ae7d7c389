package org.vmckpt.cow.disk;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.qcow2.ImageChain;
import org.vmckpt.cow.qcow2.ImageChain.ChainFile;
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
        List<ChainFile> files = new ArrayList<>();
        for (JsonNode file : volume.path("layers")) {
            String format = volume.path("formats").path(files.size()).asText("qcow2");
            files.add(new ChainFile(Path.of(file.asText()), format));
        }
        for (ChainFile file : withBase(files)) {
            layers.add(
                    new DiskLayer(node, node, file.format(), file.path(), file.path(), sizeBytes));
        }
        if (layers.isEmpty()) {
            throw new ProtocolException("volume " + volume.path("name") + " has no files");
        }
        return layers;
    }

    /** The first file may be somebody else's base, with a chain that the volume does not list. */
    private static List<ChainFile> withBase(List<ChainFile> files) throws VmckptException {
        if (files.isEmpty()) {
            return files;
        }
        ChainFile first = files.getFirst();
        List<ChainFile> all =
                new ArrayList<>(ImageChain.files(first.path(), first.format()).reversed());
        all.addAll(files.subList(1, files.size()));
        return all;
    }
}
