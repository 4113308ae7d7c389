package org.vmckpt.testvm.bench;

import java.io.IOException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.testvm.TestGuest;

/** One way to save a running guest. */
interface Contender extends AutoCloseable {
    String name();

    /** Saves the guest once; afterwards the guest runs and is set up as it was. */
    Measurement measure(TestGuest guest) throws VmckptException, IOException, InterruptedException;

    @Override
    default void close() throws VmckptException {}
}
