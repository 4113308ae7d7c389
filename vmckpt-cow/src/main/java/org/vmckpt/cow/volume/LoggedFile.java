package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.ForwardingFile;
import org.vmckpt.cow.block.PlainFile;
import org.vmckpt.cow.block.StorageFile;
import org.vmckpt.cow.qcow2.EntryLog;

/**
 * A layer's file together with that of its log, in which changes outlive this process that the
 * layer's file has not got yet. Closing one closes both. The log stays: it says itself what of it
 * is still needed, and which file it belongs to.
 */
final class LoggedFile extends ForwardingFile {
    private final StorageFile log;

    private LoggedFile(StorageFile file, StorageFile log) {
        super(file);
        this.log = log;
    }

    /** Owns the file; closes it if that fails. */
    static LoggedFile of(StorageFile file, Path layer) throws VmckptException {
        try {
            Path log = logOf(layer);
            return new LoggedFile(
                    file, Files.exists(log) ? PlainFile.open(log) : PlainFile.create(log));
        } catch (VmckptException e) {
            LayerFiles.closeAfter(file, e);
            throw e;
        }
    }

    EntryLog entryLog(Path layer) throws IOException {
        return new EntryLog(log, EntryLog.identityOf(layer));
    }

    private static Path logOf(Path layer) {
        return layer.resolveSibling(layer.getFileName() + ".log");
    }

    /** Whether a process may have left something in it. */
    static boolean existsFor(Path layer) {
        return Files.exists(logOf(layer));
    }

    /** Whether anything was logged, be it of use or not. */
    static boolean holdsEntries(Path layer) throws IOException {
        return existsFor(layer) && Files.size(logOf(layer)) > EntryLog.HEADER_BYTES;
    }

    static void deleteFor(Path layer) throws IOException {
        Files.deleteIfExists(logOf(layer));
    }

    @Override
    public void close() throws IOException {
        try (log) {
            super.close();
        }
    }
}
