package org.vmckpt.cow.nbd;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/** The data of one option of the handshake; whatever the client put there is checked. */
final class OptionData {
    /** The protocol's limit for names. */
    private static final int MAX_NAME_BYTES = 4096;

    /** The data is not what the option asks for; the handshake goes on. */
    static final class InvalidOptionException extends Exception {
        private static final long serialVersionUID = 1L;

        InvalidOptionException(String message) {
            super(message);
        }
    }

    private final ByteBuffer data;

    OptionData(ByteBuffer data) {
        this.data = data;
    }

    int readShort() throws InvalidOptionException {
        require(Short.BYTES);
        return Short.toUnsignedInt(data.getShort());
    }

    int readCount() throws InvalidOptionException {
        require(Integer.BYTES);
        int count = data.getInt();
        if (count < 0) {
            throw new InvalidOptionException("a count or length is too large");
        }
        return count;
    }

    /** A string behind its length. */
    String readString() throws InvalidOptionException {
        return readString(readCount());
    }

    /** A string that takes the rest. */
    String readRest() throws InvalidOptionException {
        return readString(data.remaining());
    }

    private String readString(int length) throws InvalidOptionException {
        if (length > MAX_NAME_BYTES) {
            throw new InvalidOptionException("a name is longer than " + MAX_NAME_BYTES + " bytes");
        }
        require(length);
        ByteBuffer text = data.slice(data.position(), length);
        data.position(data.position() + length);
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(text).toString();
        } catch (CharacterCodingException e) {
            throw new InvalidOptionException("a name is not UTF-8");
        }
    }

    void requireEnd() throws InvalidOptionException {
        if (data.hasRemaining()) {
            throw new InvalidOptionException("the option has more data than it should");
        }
    }

    private void require(int bytes) throws InvalidOptionException {
        if (data.remaining() < bytes) {
            throw new InvalidOptionException("the option ends too early");
        }
    }
}
