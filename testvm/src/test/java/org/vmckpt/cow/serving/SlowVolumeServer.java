package org.vmckpt.cow.serving;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.vmckpt.core.VmckptException;
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

    private record SlowFile(StorageFile file, Runnable delay) implements StorageFile {
        @Override
        public int read(ByteBuffer into, long offset) throws IOException {
            delay.run();
            return file.read(into, offset);
        }

        @Override
        public void write(ByteBuffer from, long offset) throws IOException {
            delay.run();
            file.write(from, offset);
        }

        @Override
        public void zero(long offset, long length) throws IOException {
            file.zero(offset, length);
        }

        @Override
        public void sync() throws IOException {
            delay.run();
            file.sync();
        }

        @Override
        public long size() throws IOException {
            return file.size();
        }

        @Override
        public void resize(long bytes) throws IOException {
            file.resize(bytes);
        }

        @Override
        public long nextData(long offset) throws IOException {
            return file.nextData(offset);
        }

        @Override
        public long nextHole(long offset) throws IOException {
            return file.nextHole(offset);
        }

        @Override
        public void close() throws IOException {
            file.close();
        }
    }
}
