package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.ByteBuffer;

/** Reads and writes a volume as a server does: through its ledger. */
public final class VolumeClient {
    private final Volume volume;

    public VolumeClient(Volume volume) {
        this.volume = volume;
    }

    /** An entry that is executed at once. */
    private static final class Entry extends PendingRequest {
        Entry(boolean change, long offset, long length) {
            if (change) {
                describeChange(offset, length);
            } else {
                describeQuestion();
            }
        }

        @Override
        protected void resume() {
            throw new IllegalStateException();
        }

        @Override
        protected void bounce() {
            throw new IllegalStateException();
        }
    }

    /** A piece of work on the layer that is active when it begins. */
    private interface Work {
        void on(Layer layer) throws IOException;
    }

    private void run(Entry entry, Work work) throws IOException {
        while (!volume.ledger().tryBegin(entry)) {
            Thread.onSpinWait();
        }
        try {
            work.on(entry.layer());
        } finally {
            volume.ledger().end(entry);
        }
    }

    public void write(long offset, byte[] data) throws IOException {
        run(
                new Entry(true, offset, data.length),
                layer -> layer.device().write(direct(data), offset));
    }

    private static ByteBuffer direct(byte[] data) {
        return ByteBuffer.allocateDirect(data.length).put(data).flip();
    }

    public void zero(long offset, long length) throws IOException {
        run(
                new Entry(true, offset, length),
                layer -> layer.device().writeZeroes(offset, length, true));
    }

    public byte[] read(long offset, int length) throws IOException {
        ByteBuffer into = ByteBuffer.allocateDirect(length);
        run(new Entry(false, 0, 0), layer -> layer.device().read(into, offset));
        byte[] data = new byte[length];
        into.get(0, data);
        return data;
    }

    /** All of it. */
    public byte[] content() throws IOException {
        return read(0, (int) volume.size());
    }
}
