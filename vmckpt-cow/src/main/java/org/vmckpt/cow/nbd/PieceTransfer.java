package org.vmckpt.cow.nbd;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import org.vmckpt.cow.volume.Ledger;

/**
 * Reads and writes that are larger than any buffer, in pieces and one after another. We tell
 * clients to send none such, but the protocol lets those do so that did not ask.
 */
final class PieceTransfer {
    private static final long LOOK_MILLIS = 1;

    private final Connection connection;
    private final ReceiveBuffer in;
    private final ReplyBatch out;

    PieceTransfer(Connection connection, ReceiveBuffer in, ReplyBatch out) {
        this.connection = connection;
        this.in = in;
        this.out = out;
    }

    /** Answers it, too: with a chunk for each piece. */
    void read(NbdRequest whole) throws IOException, InterruptedException {
        boolean structured = connection.session().structuredReplies();
        long length = whole.length();
        for (long done = 0; done < length; ) {
            int bytes = (int) Math.min(Slots.LARGE_BYTES, length - done);
            InlineRequest piece = piece(whole, done, bytes);
            out.send();
            ByteBuffer data = out.dataOfNext(bytes);
            NbdError result = execute(piece, data);
            if (result != NbdError.NONE && !structured) {
                // With a simple reply no error can be told any more once data was sent.
                if (done > 0) {
                    throw new IOException("a read failed after a part of it was sent");
                }
            }
            if (result != NbdError.NONE) {
                out.addResult(whole.cookie(), whole.type(), result);
                return;
            }
            done += bytes;
            if (structured || done == bytes) {
                out.addRead(piece, bytes, done == length);
            } else {
                out.addData(data.flip().position(data.limit() - bytes));
            }
        }
    }

    /** Takes all of its data, also after a piece failed. */
    NbdError write(NbdRequest whole) throws IOException, InterruptedException {
        NbdError result = NbdError.NONE;
        long length = whole.length();
        out.send();
        for (long done = 0; done < length; ) {
            int bytes = (int) Math.min(Slots.LARGE_BYTES, length - done);
            if (!in.await(bytes)) {
                throw new EOFException("the client went away in the middle of a write");
            }
            int start = in.bytes().position();
            if (result == NbdError.NONE) {
                result = execute(piece(whole, done, bytes), in.bytes().slice(start, bytes));
            }
            in.bytes().position(start + bytes);
            done += bytes;
        }
        return result;
    }

    private InlineRequest piece(NbdRequest whole, long start, int bytes) {
        InlineRequest piece = new InlineRequest(connection.writer(), true);
        piece.pieceOf(whole, start, bytes);
        return piece;
    }

    private NbdError execute(InlineRequest piece, ByteBuffer data) throws InterruptedException {
        Ledger ledger = connection.volume().ledger();
        while (!ledger.tryBegin(piece)) {
            if (ledger.isHeld()) {
                return NbdError.EIO;
            }
            // Rule R5. It holds up what this client sends behind it as well.
            Thread.sleep(LOOK_MILLIS);
        }
        NbdError result = piece.execute(connection.volume(), data);
        return ledger.end(piece) ? result : NbdError.EIO;
    }
}
