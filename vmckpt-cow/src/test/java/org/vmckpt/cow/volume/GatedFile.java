package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import org.vmckpt.cow.block.StorageFile;

/** A file in memory on which requests can be made to wait, so that a test says what is slow. */
public final class GatedFile implements StorageFile {
    /** What is done to the file. */
    public record Operation(String kind, long offset, long length) {
        public boolean touches(long start, long bytes) {
            return offset < start + bytes && start < offset + length;
        }
    }

    /** Requests wait at it until it is opened. */
    public final class Gate implements AutoCloseable {
        private final Predicate<Operation> which;
        private int waiting;
        private boolean opened;

        private Gate(Predicate<Operation> which) {
            this.which = which;
        }

        /** Waits until so many requests stand before it. */
        public void awaitWaiting(int count) throws InterruptedException {
            synchronized (GatedFile.this) {
                while (waiting < count) {
                    GatedFile.this.wait();
                }
            }
        }

        @Override
        public void close() {
            open();
        }

        public void open() {
            synchronized (GatedFile.this) {
                opened = true;
                GatedFile.this.notifyAll();
            }
        }
    }

    // All guarded by this.
    private final byte[] content;
    private final List<Gate> gates = new ArrayList<>();
    private int syncs;

    public GatedFile(int size) {
        this.content = new byte[size];
    }

    public synchronized Gate gate(Predicate<Operation> which) {
        Gate gate = new Gate(which);
        gates.add(gate);
        return gate;
    }

    /** Lets writes to a range wait. */
    public Gate gateWrites(long offset, long length) {
        return gate(it -> it.kind().equals("write") && it.touches(offset, length));
    }

    public synchronized int syncs() {
        return syncs;
    }

    private synchronized void pass(String kind, long offset, long length) throws IOException {
        Operation operation = new Operation(kind, offset, length);
        for (Gate gate : List.copyOf(gates)) {
            if (gate.which.test(operation)) {
                gate.waiting++;
                notifyAll();
                awaitOpen(gate);
                gate.waiting--;
            }
        }
    }

    private void awaitOpen(Gate gate) throws IOException {
        try {
            while (!gate.opened) {
                wait();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException(e);
        }
    }

    @Override
    public int read(ByteBuffer into, long offset) throws IOException {
        pass("read", offset, into.remaining());
        synchronized (this) {
            int count = (int) Math.max(0, Math.min(into.remaining(), content.length - offset));
            into.put(content, (int) offset, count);
            return count;
        }
    }

    @Override
    public void write(ByteBuffer from, long offset) throws IOException {
        pass("write", offset, from.remaining());
        synchronized (this) {
            from.get(content, (int) offset, from.remaining());
        }
    }

    @Override
    public void zero(long offset, long length) throws IOException {
        write(ByteBuffer.allocate((int) length), offset);
    }

    @Override
    public void sync() throws IOException {
        pass("sync", 0, 0);
        synchronized (this) {
            syncs++;
        }
    }

    @Override
    public long size() {
        return content.length;
    }

    @Override
    public void resize(long bytes) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {}
}
