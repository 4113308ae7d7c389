package org.vmckpt.cow.disk;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

/** An image with a state in it that is damaged in place, read, and mended again. */
final class DamagedState implements AutoCloseable {
    static final int LIMIT_BYTES = 1 << 26;

    private final Path image;
    private final FileChannel file;
    private final byte[] sound;

    DamagedState(Path image) throws IOException, VmckptException {
        this.image = image;
        this.file = FileChannel.open(image, StandardOpenOption.READ, StandardOpenOption.WRITE);
        this.sound = read();
    }

    byte[] sound() {
        return sound;
    }

    private byte[] read() throws VmckptException {
        try (ImageFile opened = ImageFile.open(image)) {
            return Qcow2VmState.read(opened, LIMIT_BYTES);
        }
    }

    /** Flips every bit of these bytes, one after another; returns how often that was noticed. */
    int flipEveryBit(long from, int count) throws IOException {
        int noticed = 0;
        for (long at = from; at < from + count; at++) {
            for (int bit = 0; bit < Byte.SIZE; bit++) {
                byte[] flipped = {(byte) (bytesAt(at, 1)[0] ^ 1 << bit)};
                noticed += isNoticed(at, flipped, "byte " + at + ", bit " + bit) ? 1 : 0;
            }
        }
        return noticed;
    }

    /** With these bytes in place of others the image is refused, or the state is right. */
    boolean isNoticed(long at, byte[] bytes, String what) throws IOException {
        byte[] before = bytesAt(at, bytes.length);
        put(at, bytes);
        try {
            return isNoticed(what);
        } finally {
            put(at, before);
        }
    }

    /** Cuts the file off, for good. */
    boolean isNoticedWhenCutTo(long sizeBytes) throws IOException {
        file.truncate(sizeBytes);
        return isNoticed("cut to " + sizeBytes);
    }

    private boolean isNoticed(String what) {
        try {
            assertThat(read()).as(what).isEqualTo(sound);
            return false;
        } catch (CorruptException | UnsupportedException e) {
            assertThat(e).as(what).hasMessageContaining(image.toString());
            return true;
        } catch (VmckptException | RuntimeException e) {
            throw new AssertionError(what, e);
        }
    }

    private byte[] bytesAt(long at, int count) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(count);
        file.read(bytes, at);
        return bytes.array();
    }

    private void put(long at, byte[] bytes) throws IOException {
        file.write(ByteBuffer.wrap(bytes), at);
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
