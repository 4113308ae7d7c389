package org.vmckpt.testvm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Map;

/**
 * Delays the writes and syncs of a guest's disk file, switched on and off while QEMU runs.
 *
 * <p>Works for a QEMU that was started with {@link #environment}; {@code testvm/faults/slowdisk.c}
 * has the details.
 */
public final class SlowDisk {
    private final Path control;
    private final String match;

    /**
     * Starts without a delay.
     *
     * @param control the file that QEMU maps; it is made
     * @param match a part of the paths of the files that are slow
     */
    public SlowDisk(Path control, String match) {
        this.control = control;
        this.match = match;
        write(0);
    }

    /** Takes effect at once, for requests that have not begun. */
    public void delay(Duration delay) {
        write(delay.toMillis());
    }

    Map<String, String> environment(GuestImage image) {
        return Map.of(
                "LD_PRELOAD", image.slowDiskLibrary().toString(),
                "SLOWDISK_MATCH", match,
                "SLOWDISK_CONTROL", control.toString());
    }

    /** Written in place: the library has mapped this very file. */
    private void write(long millis) {
        byte[] text = "%08d\n".formatted(millis).getBytes(StandardCharsets.US_ASCII);
        try {
            Files.createDirectories(control.toAbsolutePath().getParent());
            try (FileChannel file =
                    FileChannel.open(
                            control, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
                file.write(ByteBuffer.wrap(text), 0);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + control, e);
        }
    }
}
