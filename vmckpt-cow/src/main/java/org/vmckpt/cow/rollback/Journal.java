package org.vmckpt.cow.rollback;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Json;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.DurableFiles;

/**
 * What to do if a rollback ends now, as a file. Paths are texts, for JSON.
 *
 * @param id of this rollback; the new QEMU has it in its environment
 * @param qmp the guest's QMP socket
 * @param old the QEMU that is replaced
 * @param wasRunning whether the old guest ran before
 * @param moves what is moved aside, whether it is done yet or not
 * @param outputs what the new QEMU makes that was not there before
 * @param disks the folder of the new guest's disks, which goes too
 * @param store of the checkpoints
 * @param safety the checkpoint that was taken of the old guest just before
 */
record Journal(
        String id,
        Phase phase,
        String qmp,
        RunningProcess old,
        boolean wasRunning,
        List<Move> moves,
        List<String> outputs,
        String disks,
        String store,
        Optional<String> safety) {
    /** The environment variable that marks the new QEMU. */
    static final String VARIABLE = "VMCKPT_ROLLBACK";

    private static final int MAX_BYTES = 4 << 20;

    enum Phase {
        STANDING,
        ENDED,
        REPLACED
    }

    /**
     * Something of the old guest.
     *
     * @param discarded whether it is of no use once the old guest is gone
     */
    record Move(String from, String to, boolean discarded) {}

    Journal {
        moves = List.copyOf(moves);
        outputs = List.copyOf(outputs);
    }

    Journal in(Phase next) {
        return new Journal(id, next, qmp, old, wasRunning, moves, outputs, disks, store, safety);
    }

    /** Replaces what was there; when this returns it is durable. */
    void write(Path file) throws StorageException {
        Path next = file.resolveSibling(file.getFileName() + ".new");
        try {
            Files.deleteIfExists(next);
            DurableFiles.write(next, Json.MAPPER.writeValueAsBytes(this));
            DurableFiles.rename(next, file);
        } catch (IOException e) {
            throw new StorageException("rollback: writing " + file + ": " + e, e);
        }
    }

    /** Empty if there is none: nothing was begun, or all is done. */
    static Optional<Journal> read(Path file) throws VmckptException {
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        try {
            String text = new String(DurableFiles.read(file, MAX_BYTES), StandardCharsets.UTF_8);
            return Optional.of(Json.MAPPER.readValue(text, Journal.class));
        } catch (JsonProcessingException e) {
            throw new CorruptException(
                    "rollback: " + file + " is no journal: " + e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw new StorageException("rollback: reading " + file + ": " + e, e);
        }
    }
}
