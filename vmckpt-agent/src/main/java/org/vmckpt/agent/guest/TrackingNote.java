package org.vmckpt.agent.guest;

import com.fasterxml.jackson.core.type.TypeReference;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;
import java.util.TreeMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Json;

/**
 * Tells the next agent which guests were tracked, and since when. What is in it at the start was
 * lost by a kill: an agent that stops lets all guests go first. In a folder that a reboot empties.
 */
final class TrackingNote {
    private static final Logger LOG = LoggerFactory.getLogger(TrackingNote.class);

    private final Path file;

    TrackingNote(Path file) {
        this.file = file;
    }

    /** Damage is no reason not to start: it is only a note. */
    Map<String, String> read() {
        try {
            return Files.exists(file)
                    ? Json.MAPPER.readValue(file.toFile(), new TypeReference<>() {})
                    : Map.of();
        } catch (IOException e) {
            LOG.warn("{} cannot be read: {}", file, e.toString());
            return Map.of();
        }
    }

    synchronized void write(Map<String, CheckpointId> tracked) {
        Path next = file.resolveSibling(file.getFileName() + ".new");
        try {
            Files.write(next, Json.MAPPER.writeValueAsBytes(new TreeMap<>(tracked)));
            Files.move(next, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            LOG.warn("{} cannot be written: {}", file, e.toString());
        }
    }
}
