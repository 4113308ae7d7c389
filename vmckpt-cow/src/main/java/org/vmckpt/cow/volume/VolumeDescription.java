package org.vmckpt.cow.volume;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Json;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

/**
 * What {@code volume.json} says: which files make up a volume.
 *
 * @param layers oldest first; the last is active
 * @param folded layers of earlier that hold nothing any more that is needed, and may be deleted
 * @param next made for the next fork, which puts it on top before anything says so here: whoever
 *     finds it after a crash asks {@link UnrecordedFork} whether it counts
 */
record VolumeDescription(
        String name, List<LayerFile> layers, List<String> folded, Optional<LayerFile> next) {
    static final String FILE = "volume.json";

    private static final String FORMAT = "vmckpt-volume";
    private static final int VERSION = 1;

    /** Who knows nothing of a next layer must not open a volume that has one. */
    private static final int VERSION_WITH_NEXT = 2;

    /**
     * One layer.
     *
     * @param file in the volume's folder; an absolute path is somebody else's file, which is only
     *     ever read
     * @param format {@code qcow2} or {@code raw}
     */
    record LayerFile(String file, String format) {
        boolean isOurs() {
            return !file.startsWith("/");
        }
    }

    VolumeDescription {
        layers = List.copyOf(layers);
        folded = List.copyOf(folded);
    }

    LayerFile active() {
        return layers.getLast();
    }

    /** With nothing but layers. */
    static VolumeDescription of(String name, List<LayerFile> layers) {
        return new VolumeDescription(name, layers, List.of(), Optional.empty());
    }

    VolumeDescription withNext(LayerFile layer) {
        return new VolumeDescription(name, layers, folded, Optional.of(layer));
    }

    VolumeDescription withoutNext() {
        return new VolumeDescription(name, layers, folded, Optional.empty());
    }

    /** The next layer is the active one. */
    VolumeDescription forked() {
        List<LayerFile> grown = new ArrayList<>(layers);
        grown.add(next.orElseThrow());
        return new VolumeDescription(name, grown, folded, Optional.empty());
    }

    /** Without a layer that was folded into its parent; its file is to be deleted. */
    VolumeDescription withoutFolded(LayerFile layer) {
        List<LayerFile> fewer = new ArrayList<>(layers);
        fewer.remove(layer);
        List<String> more = new ArrayList<>(folded);
        more.add(layer.file());
        return new VolumeDescription(name, fewer, more, next);
    }

    VolumeDescription withFoldedDeleted() {
        return new VolumeDescription(name, layers, List.of(), next);
    }

    byte[] encode() {
        var json = Json.MAPPER.createObjectNode().put("format", FORMAT);
        json.put("version", next.isPresent() ? VERSION_WITH_NEXT : VERSION);
        json.put("name", name);
        json.set("layers", Json.MAPPER.valueToTree(layers));
        json.set("folded", Json.MAPPER.valueToTree(folded));
        next.ifPresent(layer -> json.set("next", Json.MAPPER.valueToTree(layer)));
        return (json.toPrettyString() + "\n").getBytes(StandardCharsets.UTF_8);
    }

    static VolumeDescription decode(byte[] bytes, Object file) throws VmckptException {
        try {
            JsonNode json = Json.MAPPER.readTree(bytes);
            if (!json.path("format").asText().equals(FORMAT)) {
                throw damaged(file, "it is no description of a volume", null);
            }
            int version = json.path("version").asInt();
            if (version != VERSION && version != VERSION_WITH_NEXT) {
                throw new UnsupportedException(
                        "reading "
                                + file
                                + ": version "
                                + json.path("version")
                                + " is not known; use a newer vmckpt");
            }
            VolumeDescription description = Json.MAPPER.treeToValue(json, VolumeDescription.class);
            description.check(file);
            return description;
        } catch (JsonProcessingException e) {
            throw damaged(file, "it is no JSON of a volume: " + e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw damaged(file, String.valueOf(e.getMessage()), e);
        }
    }

    private void check(Object file) throws CorruptException {
        Set<String> files = new HashSet<>();
        boolean sound = !layers.isEmpty() && active().isOurs() && VolumeFolder.isName(name);
        for (int i = 0; i < layers.size(); i++) {
            LayerFile layer = layers.get(i);
            sound &=
                    files.add(layer.file())
                            && (layer.format().equals("qcow2") || layer.format().equals("raw"))
                            && (layer.isOurs() ? VolumeFolder.isLayerName(layer.file()) : i == 0);
        }
        for (String old : folded) {
            sound &= VolumeFolder.isLayerName(old) && !files.contains(old);
        }
        if (next.isPresent()) {
            String prepared = next.get().file();
            sound &=
                    VolumeFolder.isLayerName(prepared)
                            && !files.contains(prepared)
                            && !folded.contains(prepared);
        }
        if (!sound) {
            throw damaged(file, "its layers do not fit together: " + this, null);
        }
    }

    private static CorruptException damaged(
            Object file, String what, @org.jspecify.annotations.Nullable Throwable cause) {
        String message = "reading " + file + ": " + what;
        return cause == null ? new CorruptException(message) : new CorruptException(message, cause);
    }
}
