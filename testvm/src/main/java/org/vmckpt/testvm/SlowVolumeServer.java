package org.vmckpt.testvm;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Scanner;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.ForwardingFile;
import org.vmckpt.cow.block.StorageFile;
import org.vmckpt.cow.qcow2.ImageChain.FileOpener;
import org.vmckpt.cow.serving.VolumeServer;
import org.vmckpt.cow.volume.VolumeFolder;

/**
 * Serves volumes whose files take long, as long as somebody wants, in this process or as a process
 * of its own.
 */
public final class SlowVolumeServer implements AutoCloseable {
    private final AtomicLong delayMillis = new AtomicLong();
    private final AtomicBoolean failing = new AtomicBoolean();
    private final VolumeServer server;

    public SlowVolumeServer(Path volume, Path socket) throws VmckptException {
        this(List.of(volume), socket);
    }

    public SlowVolumeServer(List<Path> volumes, Path socket) throws VmckptException {
        FileOpener opener =
                (path, writable) ->
                        new SlowFile(
                                FileOpener.PLAIN.open(path, writable), this::access, this::delay);
        List<VolumeFolder> folders = new ArrayList<>();
        for (Path volume : volumes) {
            folders.add(VolumeFolder.of(volume));
        }
        server =
                VolumeServer.start(
                        folders, socket, VolumeServer.controlSocketOf(socket), false, opener);
    }

    /**
     * Serves volumes until its input ends; each line of that is the delay from then on, in
     * milliseconds. Says when it serves.
     *
     * @param arguments the socket, and the volumes
     */
    public static void main(String[] arguments) throws Exception {
        List<Path> volumes = Stream.of(arguments).skip(1).map(Path::of).toList();
        try (SlowVolumeServer server = new SlowVolumeServer(volumes, Path.of(arguments[0]))) {
            System.out.println("serving");
            Scanner input = new Scanner(System.in, StandardCharsets.US_ASCII);
            while (input.hasNextLong()) {
                server.delay(input.nextLong());
                System.out.println("delayed");
            }
        }
    }

    /** For each read, write and sync of a file from now on. */
    public void delay(long millis) {
        delayMillis.set(millis);
    }

    /**
     * Whether each read and write of a file from now on is an error of the disk. Not each sync:
     * what a file holds after one that failed is not known, so that a volume is over then.
     */
    public void fail(boolean wanted) {
        failing.set(wanted);
    }

    private void access() throws IOException {
        if (failing.get()) {
            throw new IOException("the disk is broken");
        }
        delay();
    }

    private void delay() {
        LockSupport.parkNanos(delayMillis.get() * 1_000_000);
    }

    @Override
    public void close() throws VmckptException {
        server.close();
    }

    /** What happens first when a file is read or written. */
    private interface Access {
        void begin() throws IOException;
    }

    private static final class SlowFile extends ForwardingFile {
        private final Access access;
        private final Runnable delay;

        SlowFile(StorageFile file, Access access, Runnable delay) {
            super(file);
            this.access = access;
            this.delay = delay;
        }

        @Override
        public int read(ByteBuffer into, long offset) throws IOException {
            access.begin();
            return super.read(into, offset);
        }

        @Override
        public void write(ByteBuffer from, long offset) throws IOException {
            access.begin();
            super.write(from, offset);
        }

        @Override
        public void sync() throws IOException {
            delay.run();
            super.sync();
        }
    }
}
