package org.vmckpt.cow.volume;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.volume.LayerStates.LayerState;
import org.vmckpt.cow.volume.OpenVolume.ForkResult;
import org.vmckpt.cow.volume.VolumeDescription.LayerFile;

/**
 * Which layers an open volume has, in memory and in its folder, and the layer for its next fork.
 * Requests go on while it changes.
 *
 * <p>A fork writes no file, for that may have to wait for the file system's journal. What makes
 * this safe: {@code volume.json} names the next layer before the fork, and {@link UnrecordedFork}
 * tells after a crash whether it was in use. The fork is recorded by the next flush, the next
 * preparation, or {@link #record}, whichever comes first; so at most one is not recorded.
 */
final class LayerList {
    private static final Logger LOG = LoggerFactory.getLogger(LayerList.class);

    private final VolumeFolder folder;
    private final LayerFiles files;
    private final Volume volume;

    /** Held across I/O by whatever changes or records the list, but a fork; taken before this. */
    private final Object changing = new Object();

    private final Holds holds;

    /** Guarded by that. */
    private final DescriptionFile recorded;

    // Guarded by this, which is never held across I/O: a fork takes it alone.
    private VolumeDescription description;
    private final Contents contents;
    private @Nullable NextLayer prepared;

    LayerList(
            VolumeFolder folder,
            LayerFiles files,
            Volume volume,
            DescriptionFile recorded,
            VolumeDescription description) {
        this.folder = folder;
        this.files = files;
        this.volume = volume;
        this.recorded = recorded;
        this.holds = new Holds(folder, changing);
        this.description = description;
        this.contents = new Contents(description);
    }

    private synchronized VolumeDescription description() {
        return description;
    }

    /** Oldest first; the last is active. */
    List<LayerFile> all() {
        return description().layers();
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
    void prepare() throws VmckptException {
        if (isPrepared()) {
            return;
        }
        synchronized (changing) {
            if (isPrepared()) {
                return;
            }
            try {
                // Nobody forks while nothing is prepared.
                VolumeDescription now = description();
                recorded.put(now);
                NextLayer made = NextLayer.make(folder, files, volume, recorded);
                synchronized (this) {
                    description = recorded.written();
                    prepared = made;
                }
            } catch (IOException e) {
                throw failed("preparing a fork of", e);
            }
        }
    }

    private synchronized boolean isPrepared() {
        return prepared != null;
    }

    /**
     * Freezes the active layer. If this process is killed the fork lasts if there is an owner, if
     * it was recorded, or if anything was written after it.
     *
     * @param owner who needs it, with those below, as files
     * @param endCommit called if there is an owner, while no other commit can begin
     */
    ForkResult fork(Optional<String> owner, Runnable endCommit) throws VmckptException {
        while (true) {
            prepare();
            long start = System.nanoTime();
            LayerFile active = description().active();
            if (owner.isPresent()) {
                holds.add(active, owner.get(), endCommit);
            }
            Optional<LayerFile> on = swap(active);
            if (on.isPresent()) {
                return new ForkResult(
                        folder.file(active), folder.file(on.get()), System.nanoTime() - start);
            }
        }
    }

    /** Returns the new active layer; empty if somebody else has forked meanwhile. */
    private synchronized Optional<LayerFile> swap(LayerFile active) {
        NextLayer next = prepared;
        if (next == null || !description.active().equals(active)) {
            return Optional.empty();
        }
        volume.fork(next.layer(), () -> record(true));
        description = description.forked();
        contents.frozen(active);
        prepared = null;
        return Optional.of(next.file());
    }

    /**
     * Has the file say what is so.
     *
     * @param durably also after a crash of the host
     */
    void record(boolean durably) throws IOException {
        if (recorded.isDurable(description())) {
            return;
        }
        synchronized (changing) {
            recorded.put(description());
            if (durably) {
                recorded.sync();
            }
        }
    }

    /** Nobody folds any layer that there is now until the owner's holds are removed. */
    void holdActive(String owner, Runnable endCommit) throws VmckptException {
        holds.add(description().active(), owner, endCommit);
    }

    Holds holds() {
        return holds;
    }

    /** The next layer that may be folded. */
    Optional<Commit> nextCommit() throws VmckptException {
        synchronized (changing) {
            VolumeDescription now = description();
            try {
                // What is folded must not become the active layer again.
                recorded.write(now);
            } catch (IOException e) {
                throw failed("changing", e);
            }
            return Commit.next(now, holds.all())
                    .map(it -> new Commit(folder, files, volume, now, it));
        }
    }

    /** Takes a folded layer off the list, unless a fork has ended the commit meanwhile. */
    boolean takeOut(Commit folded, Throttle throttle) throws VmckptException {
        synchronized (changing) {
            if (throttle.isEnded()) {
                return false;
            }
            folded.bypass();
            LayerFile layer = folded.layerFile();
            write(description().withoutFolded(layer));
            synchronized (this) {
                description = description.withoutFolded(layer);
                contents.folded(layer, folded.parentFile());
                volume.forget(folded.layer());
            }
            restage();
            return true;
        }
    }

    /** The files of all folded layers are gone. */
    void forgetFolded() throws VmckptException {
        synchronized (changing) {
            write(description().withFoldedDeleted());
            synchronized (this) {
                description = description.withFoldedDeleted();
            }
            restage();
        }
    }

    /** A fork may come in between: what is written then still names the layer as the next. */
    private void write(VolumeDescription changed) throws VmckptException {
        try {
            recorded.write(changed);
        } catch (IOException e) {
            throw failed("changing", e);
        }
    }

    /** What is staged for the next fork lists layers that were there then. */
    private void restage() {
        VolumeDescription now = description();
        try {
            if (now.next().isPresent()) {
                recorded.stage(now.forked());
            }
        } catch (IOException e) {
            LOG.warn("the next fork of volume {} needs room: {}", folder.path(), e.toString());
        }
    }

    /** Removes what was prepared. Nobody may fork any more. */
    void close() throws IOException, VmckptException {
        record(true);
        synchronized (changing) {
            NextLayer unused = takePrepared();
            if (unused != null) {
                unused.remove(folder, recorded, description());
            }
        }
    }

    private synchronized @Nullable NextLayer takePrepared() {
        NextLayer unused = prepared;
        prepared = null;
        description = description.withoutNext();
        return unused;
    }

    private StorageException failed(String what, IOException e) {
        return new StorageException(what + " volume " + folder.path() + ": " + e, e);
    }
}
