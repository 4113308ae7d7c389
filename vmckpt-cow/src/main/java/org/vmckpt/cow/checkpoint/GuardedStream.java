package org.vmckpt.cow.checkpoint;

import java.io.IOException;
import java.nio.channels.ReadableByteChannel;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.guard.Guard;
import org.vmckpt.cow.linux.FdChannel;

/** A stream whose connection the guard holds too, so that it does not break when we die. */
final class GuardedStream implements StreamSource {
    private static final long NAP_NANOS = 200_000;

    private final MigrationSocket socket;
    private final Guard guard;
    private volatile boolean hungUp;
    private volatile @Nullable FdChannel channel;

    GuardedStream(MigrationSocket socket, Guard guard) {
        this.socket = socket;
        this.guard = guard;
    }

    @Override
    public String uri() {
        return socket.uri();
    }

    @Override
    public ReadableByteChannel accept() throws IOException, VmckptException {
        while (!hungUp) {
            Optional<FdChannel> accepted = guard.pollConnection();
            if (accepted.isPresent()) {
                channel = accepted.get();
                return accepted.get();
            }
            LockSupport.parkNanos(NAP_NANOS);
        }
        throw new RefusedException("checkpoint: given up before QEMU wrote its state");
    }

    @Override
    public boolean mustBeDrained() {
        return true;
    }

    @Override
    public void hangUp() {
        hungUp = true;
        FdChannel open = channel;
        if (open != null) {
            open.stop();
        }
    }
}
