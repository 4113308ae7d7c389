package org.vmckpt.cow.checkpoint;

import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.guard.Guard;

/** The guest stands still while QEMU writes all of its memory: slow, and always possible. */
final class PauseEngine extends StreamEngine {
    PauseEngine(
            GuestSession guest,
            CheckpointRequest request,
            ProgressListener progress,
            Cancellation cancellation)
            throws VmckptException {
        super(guest, request, progress, cancellation);
    }

    @Override
    StreamSource open(MigrationSocket socket, Guard guard) throws VmckptException {
        socket.listen();
        return socket;
    }

    @Override
    public void save() throws VmckptException {
        startMigration();
        awaitStream();
    }

    @Override
    public boolean resumesGuest() {
        return false;
    }

    @Override
    public void start() {}

    @Override
    public Captured awaitCaptured() throws VmckptException {
        return drain(0);
    }
}
