package org.vmckpt.testvm.bench;

import java.io.IOException;
import org.vmckpt.core.VmckptException;

/** One way to save one running guest. */
interface Contender extends AutoCloseable {
    String name();

    /** Saves the guest once; afterwards the guest runs and is set up as it was. */
    Measurement measure() throws VmckptException, IOException, InterruptedException;

    /**
     * What a turn left behind goes, so that the next one finds what this one found. Not measured.
     */
    default void tidy() throws VmckptException, IOException, InterruptedException {}

    @Override
    default void close() throws VmckptException {}
}
