package org.vmckpt.core.store;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.concurrent.ConcurrentLinkedDeque;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/** Reads one segment. */
public final class SegmentReader implements UnitReader {
    private final SegmentName name;
    private final FileChannel channel;
    private final SegmentHeader header;
    private final SegmentFooter footer;
    private final SegmentIndex index;
    private final String described;

    /** The one used last is taken first: it may still have the block that is asked for next. */
    private final ConcurrentLinkedDeque<BlockDecoder> idleDecoders = new ConcurrentLinkedDeque<>();

    private SegmentReader(
            SegmentName name,
            FileChannel channel,
            SegmentHeader header,
            SegmentFooter footer,
            SegmentIndex index) {
        this.name = name;
        this.channel = channel;
        this.header = header;
        this.footer = footer;
        this.index = index;
        this.described = describe(name);
    }

    /** Opens a file that should be the named segment, and verifies all of it but the blocks. */
    static SegmentReader open(Path file, SegmentName name) throws VmckptException {
        FileChannel channel = null;
        SegmentReader reader = null;
        try {
            channel = DurableFiles.openForReading(file);
            reader = read(channel, name);
            return reader;
        } catch (IOException e) {
            throw failure(file, name, e);
        } finally {
            if (reader == null && channel != null) {
                DurableFiles.closeQuietly(channel);
            }
        }
    }

    /** Checks that a file is the named segment, by its ends alone. */
    static void probe(Path file, SegmentName name) throws VmckptException {
        try (FileChannel channel = DurableFiles.openForReading(file)) {
            Ends ends = readEnds(channel, describe(name));
            if (!ends.footer().name(ends.header().kind()).equals(name)) {
                throw new CorruptException(
                        SegmentDamage.message(
                                describe(name), "footer", "it is that of another segment"));
            }
        } catch (IOException e) {
            throw failure(file, name, e);
        }
    }

    private static VmckptException failure(Path file, SegmentName name, IOException cause) {
        return switch (cause) {
            case NoSuchFileException e ->
                    new NotFoundException(
                            "read "
                                    + describe(name)
                                    + ": "
                                    + file
                                    + " is missing; import the checkpoint again from a good copy,"
                                    + " or remove the checkpoints that use it",
                            e);
            case EOFException e ->
                    new CorruptException(
                            SegmentDamage.message(describe(name), "index", e.getMessage() + ""), e);
            default ->
                    new StorageException(
                            "read "
                                    + describe(name)
                                    + " ("
                                    + file
                                    + "): "
                                    + cause
                                    + "; check the disk",
                            cause);
        };
    }

    private record Ends(SegmentHeader header, SegmentFooter footer) {}

    private static Ends readEnds(FileChannel channel, String segment)
            throws IOException, VmckptException {
        long fileBytes = channel.size();
        if (fileBytes < SegmentFormat.HEADER_BYTES + SegmentFormat.FOOTER_BYTES) {
            throw new CorruptException(
                    SegmentDamage.message(
                            segment, "header", "the file has only " + fileBytes + " bytes"));
        }
        byte[] head = readBytes(channel, 0, SegmentFormat.HEADER_BYTES);
        SegmentHeader header = SegmentHeader.decode(head, segment);
        byte[] foot =
                readBytes(
                        channel,
                        fileBytes - SegmentFormat.FOOTER_BYTES,
                        SegmentFormat.FOOTER_BYTES);
        return new Ends(header, SegmentFooter.decode(foot, fileBytes, segment));
    }

    private static SegmentReader read(FileChannel channel, SegmentName name)
            throws IOException, VmckptException {
        String segment = describe(name);
        Ends ends = readEnds(channel, segment);
        SegmentHeader header = ends.header();
        SegmentFooter footer = ends.footer();
        byte[] indexBytes =
                readBytes(channel, footer.indexOffset(), Math.toIntExact(footer.indexBytes()));
        checkDigest(header.encode(), indexBytes, footer, header, name);
        SegmentIndex index = SegmentIndex.parse(indexBytes, header, footer.indexOffset(), segment);
        return new SegmentReader(name, channel, header, footer, index);
    }

    private static void checkDigest(
            byte[] head,
            byte[] indexBytes,
            SegmentFooter footer,
            SegmentHeader header,
            SegmentName name)
            throws CorruptException {
        MessageDigest sha256 = Sha256.create();
        sha256.update(head);
        sha256.update(indexBytes);
        String found = HexFormat.of().formatHex(sha256.digest());
        if (!found.equals(footer.hexDigest()) || !footer.name(header.kind()).equals(name)) {
            throw new CorruptException(
                    SegmentDamage.message(
                            describe(name),
                            "index",
                            "header and index are those of a "
                                    + header.kind().prefix()
                                    + " segment with SHA-256 "
                                    + found
                                    + ", the footer says "
                                    + footer.hexDigest()));
        }
    }

    private static byte[] readBytes(FileChannel channel, long offset, int count)
            throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(count);
        DurableFiles.readFully(channel, bytes, offset);
        return bytes.array();
    }

    private static String describe(SegmentName name) {
        return "segment " + name;
    }

    public SegmentName name() {
        return name;
    }

    public SegmentKind kind() {
        return header.kind();
    }

    /** Size of the file. */
    public long storedBytes() {
        return footer.fileBytes();
    }

    @Override
    public int unitSizeBytes() {
        return header.unitSizeBytes();
    }

    @Override
    public long contentBytes() {
        return header.contentBytes();
    }

    @Override
    public long unitCount() {
        return header.unitCount();
    }

    @Override
    public UnitState state(long unit) {
        return switch (index.blockOf(unit)) {
            case UnitMap.ABSENT -> UnitState.ABSENT;
            case UnitMap.ZERO -> UnitState.ZERO;
            default -> UnitState.DATA;
        };
    }

    @Override
    public void read(long unit, ByteBuffer dst) throws VmckptException {
        int block = index.blockOf(unit);
        int unitSize = header.unitSizeBytes();
        if (block < 0) {
            putZeros(dst, unitSize);
            return;
        }
        BlockDecoder decoder = takeDecoder();
        try {
            ByteBuffer data = decoder.decode(block);
            dst.put(dst.position(), data, decoder.record.indexOf(unit) * unitSize, unitSize);
            dst.position(dst.position() + unitSize);
        } finally {
            giveBack(decoder);
        }
    }

    static void putZeros(ByteBuffer dst, int count) {
        int left = count;
        for (; left >= Long.BYTES; left -= Long.BYTES) {
            dst.putLong(0);
        }
        for (; left > 0; left--) {
            dst.put((byte) 0);
        }
    }

    @Override
    public int blockCount() {
        return index.blockCount();
    }

    @Override
    public void visitBlocks(int first, int end, BlockVisitor visitor) throws VmckptException {
        BlockDecoder decoder = takeDecoder();
        try {
            for (int block = first; block < end; block++) {
                ByteBuffer data = decoder.decode(block);
                int count = decoder.record.units(decoder.units);
                visitor.visit(decoder.units, count, data.asReadOnlyBuffer());
            }
        } finally {
            giveBack(decoder);
        }
    }

    @Override
    public void forEachZeroRun(ZeroRunVisitor visitor) throws VmckptException {
        index.forEachZeroRun(visitor, described);
    }

    /** Writes the unit numbers of a block, without reading the block. */
    int unitsOf(int block, long[] into) throws VmckptException {
        BlockDecoder decoder = takeDecoder();
        try {
            return decoder.unitsOf(block, into);
        } finally {
            giveBack(decoder);
        }
    }

    int unitsPerBlock() {
        return header.unitsPerBlock();
    }

    /** The file's bytes in order, each verified; pieces are valid during the call only. */
    void forEachPiece(PieceVisitor visitor) throws VmckptException, IOException {
        visitor.visit(ByteBuffer.wrap(header.encode()));
        BlockDecoder decoder = takeDecoder();
        try {
            for (int block = 0; block < index.blockCount(); block++) {
                visitor.visit(decoder.readStored(block));
            }
        } finally {
            giveBack(decoder);
        }
        visitor.visit(ByteBuffer.wrap(index.bytes()));
        visitor.visit(ByteBuffer.wrap(footer.encode()));
    }

    /** Receives a file's bytes piece by piece. */
    @FunctionalInterface
    interface PieceVisitor {
        void visit(ByteBuffer piece) throws VmckptException, IOException;
    }

    /** For one thread, until it is given back. */
    BlockDecoder takeDecoder() {
        BlockDecoder idle = idleDecoders.poll();
        return idle != null ? idle : new BlockDecoder(channel, header, index, described);
    }

    void giveBack(BlockDecoder decoder) {
        idleDecoders.push(decoder);
    }

    /** The block that holds a data unit; negative for another unit. */
    int blockOf(long unit) {
        return index.blockOf(unit);
    }

    /** No unit from this one up to the returned one has data; the unit itself when not known. */
    long withoutDataUntil(long unit) {
        return unit >= unitCount() ? Long.MAX_VALUE : index.withoutDataUntil(unit);
    }

    @Override
    public void close() {
        DurableFiles.closeQuietly(channel);
        BlockDecoder decoder;
        while ((decoder = idleDecoders.poll()) != null) {
            decoder.close();
        }
    }
}
