package org.vmckpt.cow.serving;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.ForwardingFile;
import org.vmckpt.cow.block.StorageFile;
import org.vmckpt.cow.qcow2.ImageChain.FileOpener;
import org.vmckpt.cow.volume.VolumeFolder;

/** Serves a volume whose files take long, as long as a test wants, in this process. */
public final class SlowVolumeServer implements AutoCloseable {
    private final AtomicLong delayMillis = new AtomicLong();
    private final VolumeServer server;

    public SlowVolumeServer(Path volume, Path socket) throws VmckptException {
        FileOpener opener =
                (path, writable) ->
                        new SlowFile(FileOpener.PLAIN.open(path, writable), this::pause);
        server =
                VolumeServer.start(
                        List.of(VolumeFolder.of(volume)),
                        socket,
                        VolumeServer.controlSocketOf(socket),
                        false,
                        opener);
    }

    /** For each read, write and sync of a file from now on. */
    public void delay(long millis) {
        delayMillis.set(millis);
    }

    private void pause() {
        LockSupport.parkNanos(delayMillis.get() * 1_000_000);
    }

    @Override
    public void close() throws VmckptException {
        server.close();
    }

    private static final class SlowFile extends ForwardingFile {
        private final Runnable delay;

        SlowFile(StorageFile file, Runnable delay) {
            super(file);
            this.delay = delay;
        }

        @Override
        public int read(ByteBuffer into, long offset) throws IOException {
            delay.run();
            return super.read(into, offset);
        }

        @Override
        public void write(ByteBuffer from, long offset) throws IOException {
            delay.run();
            super.write(from, offset);
        }

        @Override
        public void sync() throws IOException {
            delay.run();
            super.sync();
        }
    }
}
