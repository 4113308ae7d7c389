package org.vmckpt.cow.checkpoint;

import java.io.IOException;
import java.nio.channels.ReadableByteChannel;
import org.vmckpt.core.VmckptException;

/** Where QEMU's stream comes in. */
interface StreamSource {
    String uri();

    /** Waits for QEMU to connect. The thread that reads closes it. */
    ReadableByteChannel accept() throws IOException, VmckptException;

    /** Whether QEMU must be allowed to write to the end, also if nobody wants it any more. */
    boolean mustBeDrained();

    /** Ends the wait for QEMU, or the reading of its stream. */
    void hangUp() throws IOException;
}
