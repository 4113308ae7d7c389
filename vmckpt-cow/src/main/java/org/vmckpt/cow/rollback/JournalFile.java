package org.vmckpt.cow.rollback;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Json;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.DurableFiles;

/** How a journal of either kind is kept: one JSON object, replaced as a whole. */
final class JournalFile {
    private static final int MAX_BYTES = 4 << 20;

    private JournalFile() {}

    /** Replaces what was there; when this returns it is durable. */
    static void write(Path file, Record journal) throws StorageException {
        Path next = file.resolveSibling(file.getFileName() + ".new");
        try {
            Files.deleteIfExists(next);
            DurableFiles.write(next, Json.MAPPER.writeValueAsBytes(journal));
            DurableFiles.rename(next, file);
        } catch (IOException e) {
            throw new StorageException("rollback: writing " + file + ": " + e, e);
        }
    }

    /** Empty if there is none: nothing was begun, or all is done. */
    static <T extends Record> Optional<T> read(Path file, Class<T> kind) throws VmckptException {
        try {
            String text = new String(DurableFiles.read(file, MAX_BYTES), StandardCharsets.UTF_8);
            return Optional.of(Json.MAPPER.readValue(text, kind));
        } catch (JsonProcessingException e) {
            throw new CorruptException(
                    "rollback: " + file + " is no journal: " + e.getOriginalMessage(), e);
        } catch (NoSuchFileException e) {
            return Optional.empty();
        } catch (IOException e) {
            throw new StorageException("rollback: reading " + file + ": " + e, e);
        }
    }
}
