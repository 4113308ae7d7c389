package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.qcow2.ImageChain.FileOpener;
import org.vmckpt.cow.volume.VolumeDescription.LayerFile;

/**
 * A volume that this process has: its folder is locked, its layers are open. Forks it, and makes
 * the layer for the next fork beforehand.
 */
public final class OpenVolume implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(OpenVolume.class);

    private final VolumeFolder folder;
    private final VolumeLock lock;
    private final LayerFiles files;
    private final Volume volume;
    private final LayerList layers;

    /** Held by the one commit there may be; taken before the list's lock. */
    private final Object committing = new Object();

    /** The last commit, which may be under way. */
    private volatile Throttle running = Throttle.unlimited();

    /**
     * What a fork did.
     *
     * @param frozen the file that is not written any more, once pending requests are done
     * @param active the file that takes the guest's writes from now on
     * @param nanos how long requests could feel it
     */
    public record ForkResult(Path frozen, Path active, long nanos) {}

    private OpenVolume(
            VolumeFolder folder,
            VolumeLock lock,
            LayerFiles files,
            Volume volume,
            LayerList layers) {
        this.folder = folder;
        this.lock = lock;
        this.files = files;
        this.volume = volume;
        this.layers = layers;
    }

    /**
     * Opens a volume for writing, and puts in order what an interrupted process left.
     *
     * @param control where others reach this process, if they can
     */
    public static OpenVolume open(VolumeFolder folder, Optional<Path> control)
            throws VmckptException {
        return open(folder, control, FileOpener.PLAIN);
    }

    /**
     * The same over other files.
     *
     * @param opener opens the layers' files
     */
    public static OpenVolume open(VolumeFolder folder, Optional<Path> control, FileOpener opener)
            throws VmckptException {
        VolumeLock lock = VolumeLock.take(folder.path(), control);
        boolean opened = false;
        try {
            DescriptionFile file = DescriptionFile.read(folder);
            VolumeDescription clean = new Leftovers(folder, file).settle();
            LayerFiles files = new LayerFiles(folder, opener);
            for (LayerFile layer : clean.layers()) {
                files.recover(layer);
            }
            Volume volume = new Volume(clean.name(), files.openAll(clean, true));
            opened = true;
            LayerList layers = new LayerList(folder, files, volume, file, clean);
            return new OpenVolume(folder, lock, files, volume, layers);
        } catch (IOException e) {
            throw new StorageException("opening volume " + folder.path() + ": " + e, e);
        } finally {
            if (!opened) {
                closeQuietly(lock);
            }
        }
    }

    private static void closeQuietly(VolumeLock lock) {
        try {
            lock.close();
        } catch (IOException e) {
            LOG.warn("unlocking a volume: {}", e.toString());
        }
    }

    public Volume volume() {
        return volume;
    }

    public VolumeFolder folder() {
        return folder;
    }

    /** Files of the layers, oldest first. */
    public List<Path> files() {
        return layers.all().stream().map(folder::file).toList();
    }

    public LayerStates layers() {
        return layers.states();
    }

    /** Makes the layer for the next fork, unless there is one. */
    public void prepare() throws VmckptException {
        layers.prepare();
    }

    /**
     * The same for a fork in a pause: also ends a commit that is under way and keeps others away,
     * so that the fork need not wait for one, until {@link VolumeFolder#removeHolds}.
     */
    public void prepare(String owner) throws VmckptException {
        layers.holdActive(owner, () -> running.end());
        awaitEndOfCommit();
        layers.prepare();
    }

    /**
     * Freezes the active layer, while requests are under way. What was prepared is used up; with
     * nothing prepared it is made first, which takes some milliseconds. Without an owner the fork
     * may be undone if this process is killed before {@link #record}.
     *
     * @param owner a checkpoint that needs the frozen layer, and those below, until {@link
     *     VolumeFolder#removeHolds}; with {@link #prepare(String)} before, that takes no time
     */
    public ForkResult fork(Optional<String> owner) throws VmckptException {
        return layers.fork(owner, () -> running.end());
    }

    /** Forks so far outlast this process. That they outlast the host takes a flush. */
    public void record() throws VmckptException {
        try {
            layers.record(false);
        } catch (IOException e) {
            throw new StorageException(
                    "recording a fork of volume "
                            + folder.path()
                            + ": it was forked, but its folder does not say so: "
                            + e,
                    e);
        }
    }

    /**
     * Waits until frozen layers are at rest: no request writes them any more, and what they hold is
     * durable. Their files can be read by others then.
     *
     * @return whether that came about in time
     */
    public boolean settle(long timeoutMillis) throws VmckptException {
        long end = System.nanoTime() + timeoutMillis * 1_000_000;
        try {
            List<LayerList.Frozen> frozen = layers.frozen();
            for (LayerList.Frozen one : frozen) {
                long left = Math.max(0, (end - System.nanoTime()) / 1_000_000);
                if (!volume.ledger().awaitUnused(one.layer(), left)) {
                    return false;
                }
            }
            if (running.isEnded()) {
                awaitEndOfCommit();
            }
            volume.flush();
            for (LayerList.Frozen one : frozen) {
                files.rest(one.file());
            }
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        } catch (IOException e) {
            throw new StorageException("syncing volume " + folder.path() + ": " + e, e);
        }
    }

    /** One that was told to end by a fork for a checkpoint, which needs the files as they are. */
    private void awaitEndOfCommit() {
        synchronized (committing) {
            // That nobody has it is all.
        }
    }

    /**
     * Folds all frozen layers that may be folded, while requests are under way. A fork for a
     * checkpoint ends it, for that needs the files as they are.
     *
     * @return how many
     */
    public int commit(Throttle throttle) throws VmckptException {
        synchronized (committing) {
            int count = 0;
            running = throttle;
            while (!throttle.isEnded() && commitOne(throttle)) {
                count++;
            }
            return count;
        }
    }

    private boolean commitOne(Throttle throttle) throws VmckptException {
        Optional<Commit> next = layers.nextCommit();
        if (next.isEmpty() || !next.get().copy(throttle) || !layers.takeOut(next.get(), throttle)) {
            return false;
        }
        next.get().retire();
        layers.forgetFolded();
        return true;
    }

    /** Who needs which layer. */
    public Map<String, Set<String>> holds() throws VmckptException {
        return layers.holds().all();
    }

    /** Waits until no request is under way, for as long as it takes; nobody may send new ones. */
    @Override
    public void close() throws VmckptException {
        running.end();
        synchronized (committing) {
            closeAlone();
        }
    }

    private void closeAlone() throws VmckptException {
        try (lock) {
            layers.close();
            volume.ledger().awaitIdle();
            volume.flush();
            volume.close();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (IOException e) {
            throw new StorageException("closing volume " + folder.path() + ": " + e, e);
        }
    }
}
