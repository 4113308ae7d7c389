package org.vmckpt.cow.checkpoint;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.guard.Guard;

/** What stands ready beside a guest, for one checkpoint or for many: the guard and a folder. */
final class Standing implements AutoCloseable {
    private final GuestSession guest;
    private final MigrationSocket socket;
    private @Nullable Guard guard;
    private String undoLines = "";

    Standing(GuestSession guest) throws VmckptException {
        this.guest = guest;
        this.socket = MigrationSocket.make(guest.pid());
    }

    MigrationSocket socket() {
        return socket;
    }

    /**
     * A guard that would put these settings back: the last one, if it still serves.
     *
     * @param drainsSocket whether it also reads QEMU's stream to its end after our death
     */
    Guard guard(String wantedUndoLines, boolean drainsSocket) throws VmckptException {
        if (guard != null && guard.isAlive() && undoLines.equals(wantedUndoLines)) {
            return guard;
        }
        if (guard != null) {
            guard.close();
        }
        undoLines = wantedUndoLines;
        guard =
                Guard.start(
                        guest.monitor(),
                        wantedUndoLines,
                        socket.folder(),
                        drainsSocket ? Optional.of(socket.path()) : Optional.empty());
        return guard;
    }

    @Override
    public void close() {
        if (guard != null) {
            guard.close();
        }
        socket.close();
    }
}
