package org.vmckpt.core.stream;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;

/** A stream as it comes from QEMU, of which no more than a buffer is held. */
final class ChannelInput extends StreamInput {
    private static final int BUFFER_BYTES = 1 << 20;

    private final ReadableByteChannel channel;
    private final ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES).flip();
    private final ByteBuffer taken = buffer.duplicate();
    private @Nullable KeptBytes copy;
    private long endOfBuffer;

    ChannelInput(ReadableByteChannel channel) {
        this.channel = channel;
    }

    @Override
    ByteBuffer take(int byteCount) throws VmckptException {
        require(byteCount);
        int start = buffer.position();
        buffer.position(start + byteCount);
        taken.limit(start + byteCount).position(start);
        if (copy != null) {
            copy.write(taken.duplicate());
        }
        return taken;
    }

    @Override
    int peek() throws VmckptException {
        require(1);
        return buffer.get(buffer.position()) & 0xff;
    }

    private void require(int byteCount) throws VmckptException {
        while (buffer.remaining() < byteCount) {
            if (!fill()) {
                throw cutShort(byteCount, buffer.remaining());
            }
        }
    }

    /** Copies what is taken from now on; null ends that. */
    void copyTo(@Nullable KeptBytes wanted) {
        copy = wanted;
    }

    /** Everything up to the end of the stream, in pieces; empty at the end. */
    ByteBuffer takeSome() throws VmckptException {
        if (!buffer.hasRemaining()) {
            fill();
        }
        return take(buffer.remaining());
    }

    private boolean fill() throws TransportException {
        buffer.compact();
        try {
            int count = channel.read(buffer);
            endOfBuffer += Math.max(count, 0);
            return count >= 0;
        } catch (IOException e) {
            throw new TransportException(
                    "reading the migration stream after "
                            + endOfBuffer
                            + " bytes: "
                            + e.getMessage(),
                    e);
        } finally {
            buffer.flip();
        }
    }

    @Override
    long position() {
        return endOfBuffer - buffer.remaining();
    }

    @Override
    String name() {
        return "migration stream";
    }
}
