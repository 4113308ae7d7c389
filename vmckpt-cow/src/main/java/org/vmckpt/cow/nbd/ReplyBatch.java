package org.vmckpt.cow.nbd;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.vmckpt.cow.linux.NativeBuffer;

/**
 * Replies that are sent together. The data of a read is put where it will be sent from. One thread
 * adds replies; what is complete may be sent by another one that relieves it.
 */
final class ReplyBatch implements AutoCloseable {
    /** The longest thing that stands before data: a chunk's header and an offset. */
    static final int HEADER_BYTES = Protocol.CHUNK_BYTES + Long.BYTES;

    private static final int SIZE_BYTES = Slots.LARGE_BYTES + (256 << 10);

    private final Sender sender;
    private final boolean structured;
    private final NativeBuffer memory;
    private final ByteBuffer bytes;
    private final ByteBuffer data;

    /** Up to here all is complete. The bytes before it do not change until they are sent. */
    private volatile int complete;

    private int replies;

    ReplyBatch(Sender sender, boolean structured) throws IOException {
        this.sender = sender;
        this.structured = structured;
        this.memory = NativeBuffer.reserve(SIZE_BYTES);
        this.bytes = memory.slice(0, SIZE_BYTES).order(ByteOrder.BIG_ENDIAN);
        this.data = bytes.duplicate();
    }

    /** How many replies wait to be sent. */
    int replies() {
        return replies;
    }

    int sizeBytes() {
        return complete;
    }

    boolean hasRoom(long dataBytes) {
        return SIZE_BYTES - complete >= dataBytes + HEADER_BYTES;
    }

    /** Where the data of a read goes whose reply is added next. */
    ByteBuffer dataOfNext(int length) {
        int start = complete + readHeaderBytes();
        return data.limit(start + length).position(start);
    }

    private int readHeaderBytes() {
        return structured ? HEADER_BYTES : Protocol.SIMPLE_REPLY_BYTES;
    }

    /** Adds the reply to a read, whose data lies there already. */
    void addRead(NbdRequest request) {
        addRead(request, (int) request.length(), true);
    }

    /** Adds a chunk with the data of a part of a read. */
    void addRead(NbdRequest request, int length, boolean last) {
        if (structured) {
            chunk(
                    last ? Protocol.REPLY_FLAG_DONE : 0,
                    Protocol.REPLY_TYPE_OFFSET_DATA,
                    request.cookie(),
                    Long.BYTES + length);
            bytes.putLong(request.offset());
        } else {
            simple(request.cookie(), NbdError.NONE);
        }
        bytes.position(bytes.position() + length);
        completeOne();
    }

    /** Adds the reply to a read or a question of which the data lies elsewhere. */
    void addHeaderOf(NbdRequest request, int length) {
        if (request.isBlockStatus()) {
            chunk(
                    Protocol.REPLY_FLAG_DONE,
                    Protocol.REPLY_TYPE_BLOCK_STATUS,
                    request.cookie(),
                    Integer.BYTES + length);
            bytes.putInt(Session.CONTEXT_ID);
        } else if (structured) {
            chunk(
                    Protocol.REPLY_FLAG_DONE,
                    Protocol.REPLY_TYPE_OFFSET_DATA,
                    request.cookie(),
                    Long.BYTES + length);
            bytes.putLong(request.offset());
        } else {
            simple(request.cookie(), NbdError.NONE);
        }
        completeOne();
    }

    /** Adds bytes that belong to the reply before. */
    void addData(ByteBuffer from) {
        bytes.position(complete);
        bytes.put(from);
        complete = bytes.position();
    }

    /** Adds a reply without data, to anything but a successful read or question. */
    void addResult(long cookie, int type, NbdError error) {
        boolean chunk =
                structured && (type == Protocol.CMD_READ || type == Protocol.CMD_BLOCK_STATUS);
        if (!chunk) {
            simple(cookie, error);
        } else if (error == NbdError.NONE) {
            chunk(Protocol.REPLY_FLAG_DONE, Protocol.REPLY_TYPE_NONE, cookie, 0);
        } else {
            chunk(
                    Protocol.REPLY_FLAG_DONE,
                    Protocol.REPLY_TYPE_ERROR,
                    cookie,
                    Integer.BYTES + Short.BYTES);
            bytes.putInt(error.code()).putShort((short) 0);
        }
        completeOne();
    }

    private void simple(long cookie, NbdError error) {
        bytes.position(complete);
        bytes.putInt(Protocol.SIMPLE_REPLY_MAGIC).putInt(error.code()).putLong(cookie);
    }

    private void chunk(int flags, int type, long cookie, int length) {
        bytes.position(complete);
        bytes.putInt(Protocol.STRUCTURED_REPLY_MAGIC)
                .putShort((short) flags)
                .putShort((short) type)
                .putLong(cookie)
                .putInt(length);
    }

    private void completeOne() {
        replies++;
        complete = bytes.position();
    }

    /** Sends all that is complete. */
    void send() throws IOException {
        if (complete > 0) {
            try {
                sendComplete();
            } finally {
                drop();
            }
        }
    }

    /** Forgets all that is complete. */
    void drop() {
        complete = 0;
        replies = 0;
    }

    /** Sends all that is complete, and data that lies elsewhere behind it. */
    void sendWith(ByteBuffer more) throws IOException {
        try {
            sender.send(bytes.duplicate().position(0).limit(complete), more);
        } finally {
            drop();
        }
    }

    /**
     * Sends what is complete, and leaves it there: for another thread than the one that adds, which
     * is caught in a request. That one adds no more; see {@link #sendOnlyRead}.
     */
    void sendComplete() throws IOException {
        sender.send(bytes.duplicate().position(0).limit(complete));
    }

    /**
     * Another thread has sent what was complete: of the read that goes on, the data stays where it
     * is, and its reply is the only one.
     */
    void sendOnlyRead(NbdRequest request) throws IOException {
        int start = complete;
        addRead(request);
        sender.send(bytes.duplicate().position(start).limit(complete));
    }

    /** The same for a reply without data. */
    void sendOnlyResult(NbdRequest request, NbdError error) throws IOException {
        int start = complete;
        addResult(request.cookie(), request.type(), error);
        sender.send(bytes.duplicate().position(start).limit(complete));
    }

    @Override
    public void close() {
        memory.close();
    }
}
