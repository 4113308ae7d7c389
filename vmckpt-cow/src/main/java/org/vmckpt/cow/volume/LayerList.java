package org.vmckpt.cow.volume;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.volume.OpenVolume.ForkResult;
import org.vmckpt.cow.volume.OpenVolume.LayerState;
import org.vmckpt.cow.volume.OpenVolume.LayerStates;
import org.vmckpt.cow.volume.VolumeDescription.LayerFile;

/**
 * Which layers an open volume has, in memory and in its folder, and the layer for its next fork.
 * One change at a time; requests go on meanwhile.
 */
final class LayerList {
    private final VolumeFolder folder;
    private final LayerFiles files;
    private final Volume volume;

    // Guarded by this.
    private VolumeDescription description;
    private final Contents contents;
    private @Nullable NextLayer prepared;

    LayerList(VolumeFolder folder, LayerFiles files, Volume volume, VolumeDescription description) {
        this.folder = folder;
        this.files = files;
        this.volume = volume;
        this.description = description;
        this.contents = new Contents(description);
    }

    /** Oldest first; the last is active. */
    synchronized List<LayerFile> all() {
        return description.layers();
    }

    synchronized LayerStates states() {
        return new LayerStates(
                contents.session(),
                !description.layers().getFirst().isOurs(),
                description.layers().stream()
                        .map(it ->
                                new LayerState(folder.file(it), it.format(), contents.numberOf(it)))
                        .toList());
    }

    /** A frozen layer and its file. */
    record Frozen(LayerFile file, Layer layer) {}

    synchronized List<Frozen> frozen() {
        List<LayerFile> listed = description.layers();
        List<Layer> layers = volume.layers();
        return IntStream.range(0, listed.size() - 1)
                .mapToObj(i -> new Frozen(listed.get(i), layers.get(i)))
                .toList();
    }

    /** Makes the layer for the next fork, unless there is one. */
    synchronized void prepare() throws VmckptException {
        next();
    }

    private NextLayer next() throws VmckptException {
        NextLayer made = prepared;
        if (made == null) {
            made = NextLayer.make(folder, files, volume, description);
            prepared = made;
        }
        return made;
    }

    /**
     * Freezes the active layer.
     *
     * @param owner who needs it, with those below, as files
     * @param endCommit called if there is an owner, while no other commit can begin
     */
    synchronized ForkResult fork(Optional<String> owner, Runnable endCommit)
            throws VmckptException {
        NextLayer next = next();
        long start = System.nanoTime();
        LayerFile frozen = description.active();
        // In this order: the hold before anything could fold the layer, and the list of layers
        // before anything is written to the new one.
        if (owner.isPresent()) {
            hold(frozen, owner.get(), endCommit);
        }
        try {
            folder.adopt(next.json());
        } catch (IOException e) {
            throw new StorageException("forking volume " + folder.path() + ": " + e, e);
        }
        volume.fork(next.layer(), folder::sync);
        long nanos = System.nanoTime() - start;
        description = next.description();
        contents.frozen(frozen);
        prepared = null;
        return new ForkResult(folder.file(frozen), folder.file(next.file()), nanos);
    }

    /** Nobody folds any layer that there is now until the owner's holds are removed. */
    synchronized void holdActive(String owner, Runnable endCommit) throws VmckptException {
        hold(description.active(), owner, endCommit);
    }

    private void hold(LayerFile layer, String owner, Runnable endCommit) throws VmckptException {
        if (!VolumeFolder.isName(owner)) {
            throw new RefusedException(
                    "forking volume " + folder.path() + ": no hold may be called '" + owner + "'");
        }
        endCommit.run();
        try {
            folder.addHold(layer, owner);
        } catch (IOException e) {
            throw new StorageException("forking volume " + folder.path() + ": " + e, e);
        }
    }

    /** The next layer that may be folded. */
    synchronized Optional<Commit> nextCommit() throws VmckptException {
        return Commit.next(description, holds())
                .map(it -> new Commit(folder, files, volume, description, it));
    }

    /** Takes a folded layer off the list, unless a fork has ended the commit meanwhile. */
    synchronized boolean takeOut(Commit folded, Throttle throttle) throws VmckptException {
        if (throttle.isEnded()) {
            return false;
        }
        description = folded.takeOut(description);
        contents.folded(folded.layerFile(), folded.parentFile());
        restage();
        return true;
    }

    /** The files of all folded layers are gone. */
    synchronized void forgetFolded() throws VmckptException {
        description = description.withFoldedDeleted();
        try {
            folder.write(description);
        } catch (IOException e) {
            throw new StorageException("changing volume " + folder.path() + ": " + e, e);
        }
        restage();
    }

    /** What was prepared lists layers that were there then. */
    private void restage() throws VmckptException {
        if (prepared != null) {
            prepared = prepared.listedAfter(folder, description);
        }
    }

    /** Who needs which layer. */
    Map<String, Set<String>> holds() throws VmckptException {
        try {
            return folder.holds();
        } catch (IOException e) {
            throw new StorageException("reading volume " + folder.path() + ": " + e, e);
        }
    }

    /** Removes what was prepared. */
    synchronized void close() throws IOException, VmckptException {
        if (prepared != null) {
            prepared.remove(folder);
            prepared = null;
        }
    }
}
