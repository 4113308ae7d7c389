package org.vmckpt.core.store;

import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;

/** A store directory. Safe for several threads and several processes at once. */
@SuppressWarnings("DoNotCallSuggester")
public final class Store implements AutoCloseable {
    /** Opens an existing store. */
    public static Store open(Path directory) throws VmckptException {
        throw new UnsupportedOperationException();
    }

    /** Opens a store, creating it first when the directory is missing or empty. */
    public static Store openOrCreate(Path directory) throws VmckptException {
        throw new UnsupportedOperationException();
    }

    public Path directory() {
        throw new UnsupportedOperationException();
    }

    /**
     * Keeps segments from being removed until closed. Take it before {@link #layersOf} when its
     * answer goes into a manifest, and before reading a checkpoint. ConflictException when a remove
     * or clean is under way.
     */
    public StoreHold hold() throws VmckptException {
        throw new UnsupportedOperationException();
    }

    /**
     * Starts a segment. Until its manifest is published (or this store object closed) it is
     * protected from removal.
     */
    public SegmentWriter newSegment(SegmentKind kind, int unitSizeBytes, long contentBytes)
            throws VmckptException {
        throw new UnsupportedOperationException();
    }

    /** Stores bytes that are already in memory, for example a device stream. */
    public SegmentName putBytes(SegmentKind kind, byte[] content) throws VmckptException {
        throw new UnsupportedOperationException();
    }

    /** Reads a whole segment into memory. */
    public byte[] getBytes(SegmentName name) throws VmckptException {
        throw new UnsupportedOperationException();
    }

    public SegmentReader openSegment(SegmentName name) throws VmckptException {
        throw new UnsupportedOperationException();
    }

    /** Opens a stack, oldest first: the last that has a unit wins. */
    public LayeredReader openLayers(List<SegmentName> layers) throws VmckptException {
        throw new UnsupportedOperationException();
    }

    /** Makes a checkpoint visible, atomically and durably, after checking all its segments. */
    public void publish(Manifest manifest) throws VmckptException {
        throw new UnsupportedOperationException();
    }

    /** Every readable checkpoint, oldest first. */
    public List<Manifest> list() throws VmckptException {
        throw new UnsupportedOperationException();
    }

    /** Why each checkpoint that {@link #list} leaves out cannot be read. */
    public List<VmckptException> unreadable() throws VmckptException {
        throw new UnsupportedOperationException();
    }

    /** By full id, unique start of id or of its random part, unique label, or {@code latest}. */
    public Manifest find(String reference) throws VmckptException {
        throw new UnsupportedOperationException();
    }

    /** Bytes of the checkpoint's segments in the store, shared ones included. */
    public long storedBytes(Manifest manifest) throws VmckptException {
        throw new UnsupportedOperationException();
    }

    public VerifyReport verify(Manifest manifest, ProgressListener progress)
            throws VmckptException {
        throw new UnsupportedOperationException();
    }

    public RemoveReport remove(CheckpointId id) throws VmckptException {
        throw new UnsupportedOperationException();
    }

    public CleanReport clean() throws VmckptException {
        throw new UnsupportedOperationException();
    }

    /** Returns the number of bytes written. The stream is flushed, not closed. */
    public long exportTo(Manifest manifest, OutputStream out, ProgressListener progress)
            throws VmckptException {
        throw new UnsupportedOperationException();
    }

    /** Reads to the end of the export. The stream is not closed. */
    public Manifest importFrom(InputStream in, ProgressListener progress) throws VmckptException {
        throw new UnsupportedOperationException();
    }

    /** Layers that together equal the content of the file in this state, backing chain included. */
    public Optional<List<SegmentName>> layersOf(FileIdentity file) throws VmckptException {
        throw new UnsupportedOperationException();
    }

    public void recordLayers(FileIdentity file, List<SegmentName> layers) throws VmckptException {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {}
}
