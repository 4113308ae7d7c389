package org.vmckpt.core.store;

import java.nio.ByteBuffer;
import java.nio.file.Path;

/** A process that starts a segment and then waits for its death. */
final class WriterProcess {
    private WriterProcess() {}

    public static void main(String[] arguments) throws Exception {
        try (Store store = Store.open(Path.of(arguments[0]));
                SegmentWriter writer = store.newSegment(SegmentKind.MEMORY, 4096, 4096)) {
            writer.append(new long[] {0}, 1, ByteBuffer.wrap(Fixture.noise(1, 1)));
            System.out.println("writing");
            System.in.read();
        }
    }
}
