package org.vmckpt.cow.volume;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.vmckpt.cow.block.BlockDevice;
import org.vmckpt.cow.block.RawDevice;

/** A volume over a file whose requests a test lets wait, and a client of it. */
final class SlowVolume implements AutoCloseable {
    static final int GROUP_BYTES = 4096;

    final GatedFile file = new GatedFile(16 * GROUP_BYTES);
    final Volume volume;
    private final BlockDevice base;

    SlowVolume() throws IOException {
        base = RawDevice.over(file);
        volume = new Volume("disk", List.of(new Layer(base, GROUP_BYTES)));
    }

    /** What a checkpoint of this instant says: the frozen layer, with nothing above it. */
    BlockDevice frozen() {
        return base;
    }

    void fork() {
        BlockDevice active = volume.layers().getLast().device();
        volume.fork(new Layer(new OverlayDevice(active, GROUP_BYTES), GROUP_BYTES), () -> {});
    }

    Request write(long offset, byte value, int count) {
        byte[] data = new byte[count];
        Arrays.fill(data, value);
        return start(new Request(offset, ByteBuffer.wrap(data), true));
    }

    Request read(long offset, int count) {
        return start(new Request(offset, ByteBuffer.allocate(count), false));
    }

    private Request start(Request request) {
        switch (volume.ledger().begin(request)) {
            case RUN -> request.resume();
            case WAIT -> request.waited = true;
            case REFUSED -> request.outcome.complete(Outcome.EIO);
        }
        return request;
    }

    /** What the ongoing guest reads at a place. */
    byte ongoing(long offset) throws Exception {
        Request read = read(offset, 1);
        read.outcome.get();
        return read.buffer.get(0);
    }

    /** What a guest that is restored from the frozen layer reads at a place. */
    byte checkpointed(long offset) throws IOException {
        ByteBuffer one = ByteBuffer.allocate(1);
        base.read(one, offset);
        return one.get(0);
    }

    @Override
    public void close() throws IOException {
        volume.close();
    }

    enum Outcome {
        DONE,
        EIO
    }

    /** A request of a client, executed by a thread of its own. */
    final class Request extends PendingRequest {
        final CompletableFuture<Outcome> outcome = new CompletableFuture<>();

        /** Complete when its layer has done with it, whatever the client was told. */
        final CompletableFuture<Boolean> landed = new CompletableFuture<>();

        final ByteBuffer buffer;
        boolean waited;
        private final long at;
        private final boolean change;

        private Request(long at, ByteBuffer buffer, boolean change) {
            this.at = at;
            this.buffer = buffer;
            this.change = change;
            if (change) {
                describeChange(at, buffer.remaining());
            } else {
                describeQuestion();
            }
        }

        @Override
        protected void resume() {
            Thread.ofVirtual().start(this::execute);
        }

        private void execute() {
            try {
                if (change) {
                    layer().device().write(buffer, at);
                } else {
                    layer().device().read(buffer, at);
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            if (volume.ledger().end(this)) {
                outcome.complete(Outcome.DONE);
            }
            landed.complete(true);
        }

        @Override
        protected void bounce() {
            outcome.complete(Outcome.EIO);
        }
    }
}
