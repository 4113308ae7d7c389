package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.BlockDevice;
import org.vmckpt.cow.block.PlainFile;
import org.vmckpt.cow.block.RawDevice;
import org.vmckpt.cow.block.StorageFile;

/** Opens an image with all that its header, and its backing files' headers, name. */
public final class ImageChain {
    /** Where files come from; tests and volumes put layers in between. */
    public interface FileOpener {
        StorageFile open(Path path, boolean writable) throws VmckptException;

        FileOpener PLAIN =
                (path, writable) -> writable ? PlainFile.open(path) : PlainFile.openReadOnly(path);
    }

    /** A file of a chain. */
    public record ChainFile(Path path, String format) {}

    private static final int MOST_FILES = 256;

    private final FileOpener opener;
    private final Set<Path> seen = new LinkedHashSet<>();

    private ImageChain(FileOpener opener) {
        this.opener = opener;
    }

    /**
     * Opens a chain. Only its first image can be written; a backing file must have its format in
     * the header that names it, for a guest could make a raw file look like another format.
     *
     * @param format {@code qcow2} or {@code raw}
     */
    public static BlockDevice open(Path path, String format, boolean writable, FileOpener opener)
            throws VmckptException {
        return new ImageChain(opener).open(path, format, writable);
    }

    /** The files that {@link #open} would open, the one that lies on all others first. */
    public static List<ChainFile> files(Path path, String format) throws VmckptException {
        List<ChainFile> files = new ArrayList<>();
        ImageChain chain = new ImageChain(FileOpener.PLAIN);
        Optional<ChainFile> next = Optional.of(new ChainFile(path, format));
        while (next.isPresent()) {
            files.add(next.get());
            chain.requireNew(next.get().path());
            next = chain.below(next.get());
        }
        return files;
    }

    private Optional<ChainFile> below(ChainFile image) throws VmckptException {
        if (!image.format().equals("qcow2")) {
            return Optional.empty();
        }
        try (StorageFile file = opener.open(image.path(), false)) {
            Qcow2Header header = Qcow2Header.read(file, image.path().toString());
            return below(image.path(), header);
        } catch (IOException e) {
            throw new StorageException("reading " + image.path() + ": " + e, e);
        }
    }

    private static Optional<ChainFile> below(Path path, Qcow2Header header)
            throws UnsupportedException {
        return header.backingName().isEmpty()
                ? Optional.empty()
                : Optional.of(
                        new ChainFile(
                                backingPath(path, header.backingName().get()),
                                backingFormat(path, header)));
    }

    private void requireNew(Path path) throws UnsupportedException {
        Path real = realPath(path);
        if (!seen.add(real) || seen.size() > MOST_FILES) {
            throw new UnsupportedException(
                    "opening disk "
                            + seen.iterator().next()
                            + ": its backing chain is endless or"
                            + " longer than "
                            + MOST_FILES
                            + " files, at "
                            + real);
        }
    }

    private BlockDevice open(Path path, String format, boolean writable) throws VmckptException {
        requireNew(path);
        StorageFile file = opener.open(path, writable);
        try {
            return switch (format) {
                case "qcow2" -> openQcow2(path, file, writable);
                case "raw" -> RawDevice.over(file);
                default ->
                        throw new UnsupportedException(
                                "opening "
                                        + path
                                        + ": format qcow2 or raw is supported, found "
                                        + format);
            };
        } catch (IOException e) {
            closeAfter(e, file);
            throw new StorageException("opening disk file " + path + ": " + e.getMessage(), e);
        } catch (VmckptException | RuntimeException e) {
            closeAfter(e, file);
            throw e;
        }
    }

    private Qcow2Image openQcow2(Path path, StorageFile file, boolean writable)
            throws VmckptException {
        Qcow2Header header = Qcow2Header.read(file, path.toString());
        Optional<BlockDevice> backing = Optional.empty();
        Optional<ChainFile> below = below(path, header);
        if (below.isPresent()) {
            backing = Optional.of(open(below.get().path(), below.get().format(), false));
        }
        try {
            return writable
                    ? Qcow2Image.open(file, path.toString(), backing)
                    : Qcow2Image.openReadOnly(file, path.toString(), backing);
        } catch (VmckptException | RuntimeException e) {
            if (backing.isPresent()) {
                closeAfter(e, backing.get());
            }
            throw e;
        }
    }

    private static String backingFormat(Path path, Qcow2Header header) throws UnsupportedException {
        return header.backingFormat()
                .orElseThrow(() ->
                        new UnsupportedException(
                                "opening qcow2 file "
                                        + path
                                        + ": it does not say the format of its backing file "
                                        + header.backingName().orElse("")
                                        + "; add it with qemu-img rebase -u -F FORMAT -b FILE"));
    }

    /** Where a backing name leads: as QEMU has it, from the image's folder. */
    static Path backingPath(Path image, String name) throws UnsupportedException {
        String path = name.startsWith("file:") ? name.substring("file:".length()) : name;
        int colon = path.indexOf(':');
        int slash = path.indexOf('/');
        if (path.isEmpty()
                || path.indexOf('\0') >= 0
                || (colon >= 0 && (slash < 0 || colon < slash))) {
            throw new UnsupportedException(
                    "opening qcow2 file "
                            + image
                            + ": its backing file must be a file of this host, found "
                            + name);
        }
        return image.toAbsolutePath().resolveSibling(path);
    }

    private static Path realPath(Path path) {
        try {
            return path.toRealPath();
        } catch (IOException e) {
            // Whoever opens it says what is wrong.
            return path.toAbsolutePath();
        }
    }

    private static void closeAfter(Exception failure, AutoCloseable opened) {
        try {
            opened.close();
        } catch (Exception e) {
            failure.addSuppressed(e);
        }
    }
}
