package org.vmckpt.core.store;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Json;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;

/** The two lines of a manifest file: what it is and its checksum, and the manifest. */
final class ManifestCodec {
    static final int MAX_BYTES = 16 << 20;

    private static final String FORMAT = "vmckpt-manifest";
    private static final int VERSION = 1;

    private ManifestCodec() {}

    static byte[] encode(Manifest manifest) {
        try {
            return frame(Json.MAPPER.writeValueAsBytes(manifest));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a manifest that is no JSON: " + manifest.id(), e);
        }
    }

    private static byte[] frame(byte[] body) {
        String head =
                Json.MAPPER
                        .createObjectNode()
                        .put("format", FORMAT)
                        .put("version", VERSION)
                        .put("sha256", Sha256.hex(body))
                        .toString();
        return (head + "\n" + new String(body, StandardCharsets.UTF_8) + "\n")
                .getBytes(StandardCharsets.UTF_8);
    }

    /**
     * The same manifest with other layers of memory and disks; fields that this version does not
     * know stay. Empty when no layer changes.
     */
    static Optional<byte[]> withLayers(
            byte[] bytes, CheckpointId id, UnaryOperator<List<SegmentName>> replacement)
            throws VmckptException {
        Manifest manifest = decode(bytes, id);
        Manifest replaced = manifest.withLayers(replacement);
        if (replaced.equals(manifest)) {
            return Optional.empty();
        }
        try {
            byte[] body = Arrays.copyOfRange(bytes, newline(bytes, 0) + 1, bytes.length);
            JsonNode tree = Json.MAPPER.readTree(body);
            List<Manifest.MemoryBlock> memory = replaced.memory();
            for (int i = 0; i < memory.size(); i++) {
                setLayers(tree.path("memory").path(i), memory.get(i).layers());
            }
            List<Manifest.DiskState> disks = replaced.disks();
            for (int i = 0; i < disks.size(); i++) {
                setLayers(tree.path("disks").path(i), disks.get(i).layers());
            }
            return Optional.of(frame(Json.MAPPER.writeValueAsBytes(tree)));
        } catch (IOException e) {
            throw damage(id, "its second line is no manifest (" + e.getMessage() + ")", e);
        }
    }

    private static void setLayers(JsonNode part, List<SegmentName> layers) {
        ((ObjectNode) part).set("layers", Json.MAPPER.valueToTree(layers));
    }

    /** Decodes untrusted bytes that should be the manifest of this checkpoint. */
    static Manifest decode(byte[] bytes, CheckpointId expected) throws VmckptException {
        int headEnd = newline(bytes, 0);
        int bodyEnd = headEnd < 0 ? -1 : newline(bytes, headEnd + 1);
        if (headEnd < 0) {
            throw damage(expected, "it has no complete line", null);
        }
        JsonNode head = parseHead(Arrays.copyOf(bytes, headEnd), expected);
        if (bodyEnd != bytes.length - 1) {
            throw damage(expected, "it is cut short or has more than two lines", null);
        }
        byte[] body = Arrays.copyOfRange(bytes, headEnd + 1, bodyEnd);
        String stated = head.path("sha256").asText();
        if (!Sha256.hex(body).equals(stated)) {
            throw damage(expected, "its SHA-256 is not the stated " + stated, null);
        }
        return parseBody(body, expected);
    }

    private static JsonNode parseHead(byte[] line, CheckpointId expected) throws VmckptException {
        JsonNode head;
        try {
            head = Json.MAPPER.readTree(line);
        } catch (IOException e) {
            throw damage(expected, "its first line is no JSON", e);
        }
        if (!head.path("format").asText().equals(FORMAT)) {
            throw damage(expected, "its first line does not say " + FORMAT, null);
        }
        FormatVersion.check(
                head.path("version"), VERSION, "read manifest " + expected + ": its version is");
        return head;
    }

    private static Manifest parseBody(byte[] body, CheckpointId expected) throws VmckptException {
        Manifest manifest;
        try {
            manifest = Json.MAPPER.readValue(body, Manifest.class);
        } catch (IOException e) {
            throw damage(expected, "its second line is no manifest (" + e.getMessage() + ")", e);
        }
        if (manifest == null || !isComplete(manifest)) {
            throw damage(expected, "fields are missing in its second line", null);
        }
        if (!manifest.id().equals(expected)) {
            throw damage(expected, "it is the manifest of " + manifest.id(), null);
        }
        return manifest;
    }

    /** JSON can leave any component null, whatever the types say. */
    private static boolean isComplete(Manifest manifest) {
        return Stream.of(
                                manifest.id(),
                                manifest.name(),
                                manifest.createdAt(),
                                manifest.engine(),
                                manifest.guest(),
                                manifest.devices(),
                                manifest.series(),
                                manifest.parent())
                        .allMatch(Objects::nonNull)
                && Objects.nonNull(manifest.devices().segment())
                && manifest.memory().stream().allMatch(block -> Objects.nonNull(block.id()))
                && manifest.disks().stream().allMatch(disk -> Objects.nonNull(disk.device()));
    }

    private static int newline(byte[] bytes, int from) {
        for (int i = from; i < bytes.length; i++) {
            if (bytes[i] == '\n') {
                return i;
            }
        }
        return -1;
    }

    private static CorruptException damage(
            CheckpointId id, String found, @Nullable Throwable cause) {
        String message =
                "read manifest "
                        + id
                        + ": "
                        + found
                        + "; the checkpoint cannot be used. Import it again from a good copy, or"
                        + " remove it";
        return cause == null ? new CorruptException(message) : new CorruptException(message, cause);
    }
}
