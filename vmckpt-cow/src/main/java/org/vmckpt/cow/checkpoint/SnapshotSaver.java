package org.vmckpt.cow.checkpoint;

import java.nio.file.Path;
import java.time.Duration;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.disk.StateImage;

/** QEMU writes the whole stream, as an internal snapshot. */
record SnapshotSaver(StateImage image) implements DeviceSaver {
    private static final Duration SAVE_LIMIT = Duration.ofSeconds(20);

    /** Devices of real guests take 0.4 to 20 MB, video memory included. */
    private static final int LARGEST_STATE_BYTES = 64 << 20;

    static SnapshotSaver attach(QmpClient qmp, Path folder) throws VmckptException {
        return new SnapshotSaver(StateImage.attach(qmp, folder));
    }

    @Override
    public void readMemory() {}

    @Override
    public void stage() throws VmckptException {
        image.stage();
    }

    @Override
    public void begin() throws VmckptException {
        image.begin();
    }

    @Override
    public void awaitEnd() throws VmckptException {
        image.awaitEnd(SAVE_LIMIT);
    }

    @Override
    public byte[] stream() throws VmckptException {
        return image.read(LARGEST_STATE_BYTES);
    }

    @Override
    public void close() throws VmckptException {
        image.close();
    }
}
