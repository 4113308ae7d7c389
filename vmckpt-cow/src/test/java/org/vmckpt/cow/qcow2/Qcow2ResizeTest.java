package org.vmckpt.cow.qcow2;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Optional;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vmckpt.cow.block.CrashFile;
import org.vmckpt.cow.block.RawDevice;

/** A disk grows over a larger backing disk, whose content must not show in the new part. */
class Qcow2ResizeTest {
    private static final int OLD_BYTES = 20 << 10;
    private static final int NEW_BYTES = 300 << 10;
    private static final byte[] BELOW = new byte[200 << 10];

    static {
        Arrays.fill(BELOW, (byte) 7);
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3})
    void resizeCutAnywhereCanBeMadeAgain(int version) throws Exception {
        int cut = 0;
        byte[] left;
        do {
            CrashFile file = new CrashFile(new byte[0]);
            new NewImage(OLD_BYTES, version, 9, false, Optional.empty()).write(file);
            Qcow2Image image = open(file);
            file.dieAfter(cut);
            try {
                image.resize(NEW_BYTES);
                image.flush();
            } catch (IOException e) {
                assertThat(file.isDead()).isTrue();
            }
            left = file.afterKill();
            assertThat(grown(left)).as("cut after change %d", cut).isTrue();
            cut++;
        } while (left.length == 0 || open(new CrashFile(left)).size() == OLD_BYTES);
        assertThat(cut).isGreaterThan(5);
    }

    private static Qcow2Image open(CrashFile file) throws Exception {
        return Qcow2Image.open(file, "image", Optional.of(RawDevice.over(new CrashFile(BELOW))));
    }

    /** Whether the disk can be made larger and shows zeroes there. */
    private static boolean grown(byte[] left) throws Exception {
        Qcow2Image image = open(new CrashFile(left));
        if (image.size() == OLD_BYTES) {
            image.resize(NEW_BYTES);
        }
        ByteBuffer bytes = ByteBuffer.allocate(NEW_BYTES);
        image.read(bytes, 0);
        byte[] wanted = Arrays.copyOf(BELOW, NEW_BYTES);
        Arrays.fill(wanted, OLD_BYTES, NEW_BYTES, (byte) 0);
        return Arrays.equals(bytes.array(), wanted);
    }
}
