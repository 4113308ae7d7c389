package org.vmckpt.cow.rollback;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

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
        JournalFile.write(file, this);
    }

    /** Empty if there is none: nothing was begun, or all is done. */
    static Optional<Journal> read(Path file) throws VmckptException {
        return JournalFile.read(file, Journal.class);
    }
}
