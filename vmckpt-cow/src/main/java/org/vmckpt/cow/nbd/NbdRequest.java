package org.vmckpt.cow.nbd;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.cow.volume.PendingRequest;
import org.vmckpt.cow.volume.Volume;

/** One request of a client: what its header says, whether that may be done, and doing it. */
abstract class NbdRequest extends PendingRequest {
    private static final int MAGIC_AT = 0;
    private static final int FLAGS_AT = 4;
    private static final int TYPE_AT = 6;
    private static final int COOKIE_AT = 8;
    private static final int OFFSET_AT = 16;
    private static final int LENGTH_AT = 24;

    private long cookie;
    private int type;
    private int flags;
    private long offset;
    private long length;

    /**
     * Takes a header.
     *
     * @throws ProtocolException when the client's stream cannot be followed any more
     */
    final void parse(ByteBuffer bytes) throws ProtocolException {
        int start = bytes.position();
        if (bytes.getInt(start + MAGIC_AT) != Protocol.REQUEST_MAGIC) {
            throw new ProtocolException("NBD: a request without its magic number");
        }
        flags = Short.toUnsignedInt(bytes.getShort(start + FLAGS_AT));
        type = Short.toUnsignedInt(bytes.getShort(start + TYPE_AT));
        cookie = bytes.getLong(start + COOKIE_AT);
        offset = bytes.getLong(start + OFFSET_AT);
        length = Integer.toUnsignedLong(bytes.getInt(start + LENGTH_AT));
        if (type == Protocol.CMD_WRITE && length > Protocol.MAX_PAYLOAD_BYTES) {
            throw new ProtocolException("NBD: a write of " + length + " bytes");
        }
        bytes.position(start + Protocol.REQUEST_BYTES);
    }

    final void copyOf(NbdRequest other) {
        cookie = other.cookie;
        type = other.type;
        flags = other.flags;
        offset = other.offset;
        length = other.length;
        describe();
    }

    /** Describes a part of another request. */
    final void pieceOf(NbdRequest whole, long start, int bytes) {
        copyOf(whole);
        offset = whole.offset + start;
        length = bytes;
        describe();
    }

    /** Why it may not be done at all; NONE if it may. Also tells the ledger what it is about. */
    final NbdError check(Session session) {
        NbdError fault =
                switch (type) {
                    case Protocol.CMD_READ ->
                            checkRead(session.export(), session.structuredReplies());
                    case Protocol.CMD_WRITE -> checkChange(session.export(), 0, NbdError.ENOSPC);
                    case Protocol.CMD_TRIM -> checkChange(session.export(), 0, NbdError.EINVAL);
                    case Protocol.CMD_WRITE_ZEROES ->
                            checkChange(
                                    session.export(), Protocol.CMD_FLAG_NO_HOLE, NbdError.ENOSPC);
                    case Protocol.CMD_FLUSH ->
                            flags != 0 || offset != 0 || length != 0
                                    ? NbdError.EINVAL
                                    : NbdError.NONE;
                    case Protocol.CMD_BLOCK_STATUS -> checkStatus(session);
                    default -> NbdError.EINVAL;
                };
        if (fault == NbdError.NONE) {
            describe();
        }
        return fault;
    }

    private void describe() {
        switch (type) {
            case Protocol.CMD_WRITE, Protocol.CMD_TRIM, Protocol.CMD_WRITE_ZEROES ->
                    describeChange(offset, length);
            default -> describeQuestion();
        }
    }

    private NbdError checkRead(Export export, boolean structured) {
        int known = Protocol.CMD_FLAG_FUA | (structured ? Protocol.CMD_FLAG_DF : 0);
        if ((flags & ~known) != 0 || isOutside(export)) {
            return NbdError.EINVAL;
        }
        boolean whole = (flags & Protocol.CMD_FLAG_DF) != 0;
        return length > (whole ? Slots.LARGE_BYTES : Protocol.MAX_PAYLOAD_BYTES)
                ? NbdError.EOVERFLOW
                : NbdError.NONE;
    }

    private NbdError checkChange(Export export, int moreFlags, NbdError outside) {
        if (export.readOnly()) {
            return NbdError.EPERM;
        }
        if ((flags & ~(Protocol.CMD_FLAG_FUA | moreFlags)) != 0) {
            return NbdError.EINVAL;
        }
        return isOutside(export) ? outside : NbdError.NONE;
    }

    private NbdError checkStatus(Session session) {
        boolean valid =
                session.blockStatus()
                        && (flags & ~Protocol.CMD_FLAG_REQ_ONE) == 0
                        && length > 0
                        && !isOutside(session.export());
        return valid ? NbdError.NONE : NbdError.EINVAL;
    }

    private boolean isOutside(Export export) {
        long size = export.volume().size();
        return offset < 0 || offset > size || length > size - offset;
    }

    final long cookie() {
        return cookie;
    }

    final int type() {
        return type;
    }

    final long offset() {
        return offset;
    }

    final long length() {
        return length;
    }

    final boolean isRead() {
        return type == Protocol.CMD_READ;
    }

    final boolean isWrite() {
        return type == Protocol.CMD_WRITE;
    }

    final boolean isBlockStatus() {
        return type == Protocol.CMD_BLOCK_STATUS;
    }

    final boolean isDisconnect() {
        return type == Protocol.CMD_DISC;
    }

    private boolean isForcedToDisk() {
        return (flags & Protocol.CMD_FLAG_FUA) != 0 && !isRead();
    }

    /** Only reads and writes of a size that fits one buffer, and nothing that syncs. */
    final boolean mayRunInline() {
        return (isRead() || isWrite()) && length <= Slots.LARGE_BYTES && !isForcedToDisk();
    }

    /** Larger than any buffer. */
    final boolean needsPieces() {
        return (isRead() || isWrite()) && length > Slots.LARGE_BYTES;
    }

    /**
     * Executes it on its layer.
     *
     * @param data of a write: what to write. Of a read: where to, filled to its limit. Of a
     *     question for block status: takes the extents, at least one.
     */
    final NbdError execute(Volume volume, ByteBuffer data) {
        try {
            switch (type) {
                case Protocol.CMD_READ -> layer().device().read(data, offset);
                case Protocol.CMD_WRITE -> layer().device().write(data, offset);
                case Protocol.CMD_TRIM -> layer().device().discard(offset, length);
                case Protocol.CMD_WRITE_ZEROES ->
                        layer().device()
                                .writeZeroes(
                                        offset, length, (flags & Protocol.CMD_FLAG_NO_HOLE) == 0);
                case Protocol.CMD_FLUSH -> volume.flush();
                case Protocol.CMD_BLOCK_STATUS ->
                        StatusExtents.write(
                                layer().device(),
                                offset,
                                length,
                                (flags & Protocol.CMD_FLAG_REQ_ONE) != 0,
                                data);
                default -> throw new IllegalStateException("request of type " + type);
            }
            if (isForcedToDisk()) {
                volume.force(this);
            }
            return NbdError.NONE;
        } catch (IOException e) {
            FailureLog.failed(volume, this, e);
            return NbdError.of(e);
        } catch (RuntimeException e) {
            // A bug of ours: the guest sees a broken disk, and other requests go on.
            FailureLog.broken(volume, this, e);
            return NbdError.EIO;
        }
    }

    @Override
    public String toString() {
        return "request of type " + type + " for " + length + " bytes at " + offset;
    }
}
