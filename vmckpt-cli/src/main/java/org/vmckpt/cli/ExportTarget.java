package org.vmckpt.cli;

import java.io.OutputStream;
import org.vmckpt.core.VmckptException;

/** Where an export goes. */
sealed interface ExportTarget permits NewFile, StandardOutput {
    int BUFFER_BYTES = 1 << 16;

    /** Runs the export into the target; returns the number of bytes written. */
    long write(Content content) throws VmckptException;

    /** What is exported. */
    @FunctionalInterface
    interface Content {
        /** Writes everything to the stream, and returns the number of bytes. */
        long writeTo(OutputStream out) throws VmckptException;
    }
}
