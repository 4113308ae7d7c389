package org.vmckpt.core.store;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

/** The manifests of a store: which checkpoints there are, and what they use. */
final class ManifestCatalog {
    private static final Logger LOG = LoggerFactory.getLogger(ManifestCatalog.class);
    private static final String LATEST = "latest";
    private static final Comparator<Manifest> BY_TIME =
            Comparator.comparing(Manifest::createdAt).thenComparing(Manifest::id);

    private final StoreDirectory directory;

    ManifestCatalog(StoreDirectory directory) {
        this.directory = directory;
    }

    /**
     * Every checkpoint.
     *
     * @param readable oldest first
     * @param unreadable why the others cannot be read
     */
    record Listing(List<Manifest> readable, List<VmckptException> unreadable) {
        Listing {
            readable = List.copyOf(readable);
            unreadable = List.copyOf(unreadable);
        }
    }

    Listing list() throws VmckptException {
        List<Manifest> readable = new ArrayList<>();
        List<VmckptException> unreadable = new ArrayList<>();
        for (CheckpointId id : ids()) {
            try {
                readable.add(read(id));
            } catch (NotFoundException e) {
                LOG.debug("checkpoint {} was removed while the list was made", id);
            } catch (VmckptException e) {
                unreadable.add(e);
            }
        }
        readable.sort(BY_TIME);
        return new Listing(readable, unreadable);
    }

    boolean exists(CheckpointId id) {
        return Files.exists(directory.manifest(id), LinkOption.NOFOLLOW_LINKS);
    }

    Manifest read(CheckpointId id) throws VmckptException {
        return ManifestCodec.decode(readBytes(id), id);
    }

    byte[] readBytes(CheckpointId id) throws VmckptException {
        Path file = directory.manifest(id);
        try {
            return DurableFiles.read(file, ManifestCodec.MAX_BYTES);
        } catch (NoSuchFileException e) {
            throw notFound(id.toString(), "no such checkpoint", e);
        } catch (IOException e) {
            throw directory.failure("read manifest " + id, file, e);
        }
    }

    Manifest find(String reference) throws VmckptException {
        if (CheckpointId.isWellFormed(reference)) {
            return read(new CheckpointId(reference));
        }
        Listing listing = list();
        List<Manifest> all = listing.readable();
        if (reference.equals(LATEST) && !all.isEmpty()) {
            return all.getLast();
        }
        List<Manifest> found =
                all.stream().filter(m -> m.name().map(reference::equals).orElse(false)).toList();
        if (found.isEmpty() && !reference.isEmpty()) {
            found = all.stream().filter(m -> startsWith(m.id(), reference)).toList();
        }
        if (found.size() == 1) {
            return found.getFirst();
        }
        throw unresolved(reference, found, listing);
    }

    private static boolean startsWith(CheckpointId id, String reference) {
        return id.value().startsWith(reference) || id.shortForm().startsWith(reference);
    }

    private VmckptException unresolved(String reference, List<Manifest> found, Listing listing)
            throws VmckptException {
        if (found.size() > 1) {
            String ids = found.stream().map(m -> m.id().value()).collect(Collectors.joining(", "));
            return new NotFoundException(
                    "find checkpoint "
                            + reference
                            + " in store "
                            + directory.root()
                            + ": several match ("
                            + ids
                            + "); give the id of one");
        }
        List<CheckpointId> damaged =
                reference.isEmpty()
                        ? List.of()
                        : ids().stream().filter(id -> startsWith(id, reference)).toList();
        if (damaged.size() == 1 && !listing.unreadable().isEmpty()) {
            // Reading it again gives its own error.
            read(damaged.getFirst());
        }
        return notFound(
                reference,
                ids().isEmpty() ? "there is no checkpoint yet" : "none has this id or name",
                null);
    }

    private NotFoundException notFound(String reference, String found, @Nullable Throwable cause) {
        String message =
                "find checkpoint "
                        + reference
                        + " in store "
                        + directory.root()
                        + ": "
                        + found
                        + "; 'vmckpt list' shows what is there";
        return cause == null
                ? new NotFoundException(message)
                : new NotFoundException(message, cause);
    }

    /**
     * The segments that checkpoints other than this one use. Fails when any other manifest cannot
     * be read, because then nobody knows what it uses.
     */
    Set<SegmentName> usedWithout(Optional<CheckpointId> removed) throws VmckptException {
        Set<SegmentName> used = new TreeSet<>();
        for (CheckpointId id : ids()) {
            if (removed.filter(id::equals).isPresent()) {
                continue;
            }
            try {
                used.addAll(read(id).segments());
            } catch (VmckptException e) {
                throw new RefusedException(
                        "remove segments from store "
                                + directory.root()
                                + ": checkpoint "
                                + id
                                + " cannot be read, so the segments it uses are not known; repair"
                                + " or remove it first ("
                                + e.getMessage()
                                + ")",
                        e);
            }
        }
        return used;
    }

    /** The manifest's file with other layers; empty when none changes, or it cannot be read. */
    Optional<byte[]> withLayers(CheckpointId id, UnaryOperator<List<SegmentName>> replacement)
            throws VmckptException {
        try {
            return ManifestCodec.withLayers(readBytes(id), id, replacement);
        } catch (NotFoundException | CorruptException | UnsupportedException e) {
            LOG.debug("layers of checkpoint {} stay: {}", id, e.getMessage());
            return Optional.empty();
        }
    }

    Set<CheckpointId> ids() throws VmckptException {
        Set<CheckpointId> ids = new TreeSet<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory.checkpoints())) {
            for (Path entry : entries) {
                String name = String.valueOf(entry.getFileName());
                String id = name.replaceFirst("\\.json$", "");
                if (!id.equals(name) && CheckpointId.isWellFormed(id)) {
                    ids.add(new CheckpointId(id));
                }
            }
        } catch (IOException e) {
            throw directory.failure("list checkpoints", directory.checkpoints(), e);
        }
        return ids;
    }
}
