package org.vmckpt.cow.nbd;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.cow.nbd.OptionData.InvalidOptionException;

/** Agrees with a client on an export and on how replies look: the fixed newstyle handshake. */
final class Handshake {
    private static final int MAX_OPTION_BYTES = 64 << 10;

    /** Enough to ask about every export; a client that goes on for ever is none. */
    private static final int MAX_OPTIONS = 1000;

    private static final int OPTION_HEADER_BYTES = 16;
    private static final int ZEROES_BYTES = 124;

    private final ReceiveBuffer in;
    private final SocketChannel socket;
    private final Exports exports;

    private boolean structuredReplies;
    private boolean sendZeroes = true;
    private @Nullable Export contextExport;
    private @Nullable Session agreed;
    private boolean ended;

    Handshake(ReceiveBuffer in, SocketChannel socket, Exports exports) {
        this.in = in;
        this.socket = socket;
        this.exports = exports;
    }

    /**
     * Runs it to its end.
     *
     * @return what was agreed on; empty when the client left in an orderly way
     */
    Optional<Session> run() throws IOException, ProtocolException {
        write(
                ByteBuffer.allocate(18)
                        .putLong(Protocol.NBDMAGIC)
                        .putLong(Protocol.IHAVEOPT)
                        .putShort(
                                (short) (Protocol.FLAG_FIXED_NEWSTYLE | Protocol.FLAG_NO_ZEROES)));
        if (!in.await(Integer.BYTES)) {
            return Optional.empty();
        }
        int flags = in.bytes().getInt();
        if ((flags & ~(Protocol.FLAG_FIXED_NEWSTYLE | Protocol.FLAG_NO_ZEROES)) != 0) {
            throw new ProtocolException(
                    "NBD handshake: unknown client flags 0x" + Integer.toHexString(flags));
        }
        sendZeroes = (flags & Protocol.FLAG_NO_ZEROES) == 0;
        for (int count = 0; agreed == null && !ended && count < MAX_OPTIONS; count++) {
            if (!in.await(OPTION_HEADER_BYTES)) {
                return Optional.empty();
            }
            readOption();
        }
        return Optional.ofNullable(agreed);
    }

    private void readOption() throws IOException, ProtocolException {
        if (in.bytes().getLong() != Protocol.IHAVEOPT) {
            throw new ProtocolException("NBD handshake: an option without its magic number");
        }
        int option = in.bytes().getInt();
        int length = in.bytes().getInt();
        if (length < 0 || length > MAX_OPTION_BYTES) {
            throw new ProtocolException(
                    "NBD handshake: option "
                            + option
                            + " with "
                            + Integer.toUnsignedLong(length)
                            + " bytes of data");
        }
        if (!in.await(length)) {
            throw new EOFException("the client went away in the middle of an option");
        }
        ByteBuffer data = in.bytes().slice(in.bytes().position(), length);
        in.bytes().position(in.bytes().position() + length);
        handle(option, data);
    }

    private void handle(int option, ByteBuffer bytes) throws IOException, ProtocolException {
        OptionReply reply = new OptionReply(socket, option);
        OptionData data = new OptionData(bytes);
        try {
            switch (option) {
                case Protocol.OPT_EXPORT_NAME -> exportName(data);
                case Protocol.OPT_ABORT -> {
                    ended = true;
                    reply.acknowledge();
                }
                case Protocol.OPT_LIST -> list(data, reply);
                case Protocol.OPT_STARTTLS ->
                        reply.fail(
                                Protocol.REP_ERR_POLICY,
                                "no TLS on a Unix socket; its permissions say who may connect");
                case Protocol.OPT_INFO -> info(data, reply, false);
                case Protocol.OPT_GO -> info(data, reply, true);
                case Protocol.OPT_STRUCTURED_REPLY -> {
                    data.requireEnd();
                    structuredReplies = true;
                    reply.acknowledge();
                }
                case Protocol.OPT_LIST_META_CONTEXT -> metaContexts(data, reply, false);
                case Protocol.OPT_SET_META_CONTEXT -> metaContexts(data, reply, true);
                default -> reply.fail(Protocol.REP_ERR_UNSUP, "unknown option " + option);
            }
        } catch (InvalidOptionException e) {
            if (option == Protocol.OPT_EXPORT_NAME) {
                throw new ProtocolException("NBD handshake: " + e.getMessage(), e);
            }
            reply.fail(Protocol.REP_ERR_INVALID, String.valueOf(e.getMessage()));
        }
    }

    /** The old way to choose; it has no way to say no but to end the connection. */
    private void exportName(OptionData data)
            throws IOException, InvalidOptionException, ProtocolException {
        String name = data.readRest();
        Export export =
                exports.find(name)
                        .orElseThrow(() ->
                                new ProtocolException(
                                        "NBD handshake: there is no export '" + name + "'"));
        write(
                ByteBuffer.allocate(10 + (sendZeroes ? ZEROES_BYTES : 0))
                        .putLong(export.volume().size())
                        .putShort((short) export.transmissionFlags(structuredReplies))
                        .position(10 + (sendZeroes ? ZEROES_BYTES : 0)));
        agree(export);
    }

    private void list(OptionData data, OptionReply reply)
            throws IOException, InvalidOptionException {
        data.requireEnd();
        for (Export export : exports.all()) {
            reply.server(export.name());
        }
        reply.acknowledge();
    }

    private void info(OptionData data, OptionReply reply, boolean go)
            throws IOException, InvalidOptionException {
        String name = data.readString();
        Set<Integer> wanted = new HashSet<>();
        int requests = data.readShort();
        for (int i = 0; i < requests; i++) {
            wanted.add(data.readShort());
        }
        data.requireEnd();
        Optional<Export> found = exports.find(name);
        if (found.isEmpty()) {
            reply.fail(Protocol.REP_ERR_UNKNOWN, "there is no export '" + name + "'");
            return;
        }
        Export export = found.get();
        reply.infoExport(export.volume().size(), export.transmissionFlags(structuredReplies));
        if (wanted.contains(Protocol.INFO_NAME)) {
            reply.infoText(Protocol.INFO_NAME, export.name());
        }
        if (wanted.contains(Protocol.INFO_DESCRIPTION)) {
            reply.infoText(Protocol.INFO_DESCRIPTION, "vmckpt volume " + export.name());
        }
        if (wanted.contains(Protocol.INFO_BLOCK_SIZE)) {
            reply.infoBlockSize(1, export.preferredBytes(), Slots.LARGE_BYTES);
        }
        reply.acknowledge();
        if (go) {
            agree(export);
        }
    }

    private void metaContexts(OptionData data, OptionReply reply, boolean select)
            throws IOException, InvalidOptionException {
        if (select) {
            contextExport = null;
        }
        if (!structuredReplies) {
            throw new InvalidOptionException("structured replies must be asked for first");
        }
        String name = data.readString();
        int queries = data.readCount();
        boolean matches = queries == 0 && !select;
        for (int i = 0; i < queries; i++) {
            String query = data.readString();
            matches |= query.equals(Protocol.BASE_ALLOCATION) || (!select && query.equals("base:"));
        }
        data.requireEnd();
        Optional<Export> export = exports.find(name);
        if (export.isEmpty()) {
            reply.fail(Protocol.REP_ERR_UNKNOWN, "there is no export '" + name + "'");
            return;
        }
        if (matches) {
            reply.metaContext(select ? Session.CONTEXT_ID : 0, Protocol.BASE_ALLOCATION);
            if (select) {
                contextExport = export.get();
            }
        }
        reply.acknowledge();
    }

    private void agree(Export export) {
        agreed = new Session(export, structuredReplies, contextExport == export);
    }

    private void write(ByteBuffer bytes) throws IOException {
        bytes.flip();
        while (bytes.hasRemaining()) {
            socket.write(bytes);
        }
    }
}
