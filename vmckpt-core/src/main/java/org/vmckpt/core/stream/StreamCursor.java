package org.vmckpt.core.stream;

import java.nio.ByteBuffer;
import org.vmckpt.core.CorruptException;

/** A stream in memory, never read past an end. */
final class StreamCursor extends StreamInput {
    private final ByteBuffer stream;
    private final int wholeBytes;

    StreamCursor(byte[] stream, int end) {
        this.stream = ByteBuffer.wrap(stream, 0, end);
        this.wholeBytes = stream.length;
    }

    @Override
    ByteBuffer take(int byteCount) throws CorruptException {
        require(byteCount);
        ByteBuffer taken = stream.slice(stream.position(), byteCount);
        stream.position(stream.position() + byteCount);
        return taken;
    }

    @Override
    int peek() throws CorruptException {
        require(1);
        return stream.get(stream.position()) & 0xff;
    }

    void skip(long byteCount) throws CorruptException {
        require(byteCount);
        stream.position(stream.position() + (int) byteCount);
    }

    int offset() {
        return stream.position();
    }

    @Override
    long position() {
        return stream.position();
    }

    @Override
    String name() {
        return "device stream of " + wholeBytes + " bytes";
    }

    private void require(long byteCount) throws CorruptException {
        if (byteCount < 0 || byteCount > stream.remaining()) {
            throw cutShort(byteCount, stream.remaining());
        }
    }
}
