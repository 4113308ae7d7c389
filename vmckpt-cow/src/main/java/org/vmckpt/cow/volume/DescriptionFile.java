package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.file.Files;
import java.util.Optional;
import org.vmckpt.core.VmckptException;

/**
 * {@code volume.json} of a volume that this process has: what it says, and what lies beside it to
 * replace it by a rename, which also works on a full disk. For one thread at a time.
 */
final class DescriptionFile {
    private final VolumeFolder folder;
    private VolumeDescription written;
    private Optional<VolumeDescription> staged = Optional.empty();

    /** What the file says also after a crash of the host; empty while that is not known. */
    private volatile Optional<VolumeDescription> durable = Optional.empty();

    private DescriptionFile(VolumeFolder folder, VolumeDescription written) {
        this.folder = folder;
        this.written = written;
    }

    static DescriptionFile read(VolumeFolder folder) throws VmckptException {
        return new DescriptionFile(folder, folder.read());
    }

    VolumeDescription written() {
        return written;
    }

    /** Whether it says so, durably. Any thread may ask. */
    boolean isDurable(VolumeDescription description) {
        return durable.filter(description::equals).isPresent();
    }

    /** Says so; durable on return. */
    void write(VolumeDescription description) throws IOException {
        put(description);
        sync();
    }

    /** Makes it that {@link #put} of this needs no more than a rename. */
    void stage(VolumeDescription description) throws IOException {
        staged = Optional.empty();
        folder.stage(description);
        staged = Optional.of(description);
    }

    /** Says so, for all processes of this host; durable after {@link #sync}. */
    void put(VolumeDescription description) throws IOException {
        if (written.equals(description)) {
            return;
        }
        if (staged.filter(description::equals).isEmpty()) {
            stage(description);
        }
        staged = Optional.empty();
        durable = Optional.empty();
        folder.adoptStaged();
        written = description;
    }

    void sync() throws IOException {
        if (durable.isEmpty()) {
            folder.sync();
            durable = Optional.of(written);
        }
    }

    /** What was staged is not needed. */
    void unstage() throws IOException {
        staged = Optional.empty();
        Files.deleteIfExists(folder.stagedFile());
    }
}
