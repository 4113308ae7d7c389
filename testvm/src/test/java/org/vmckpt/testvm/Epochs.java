package org.vmckpt.testvm;

import java.time.Duration;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.Cancellation;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointSeries;
import org.vmckpt.cow.memory.RamRegion;

/**
 * A series of checkpoints of a guest. It keeps the guest's first monitor; a test that needs one too
 * gives the guest a second.
 */
record Epochs(TestGuest guest, Store store, CheckpointSeries series) implements AutoCloseable {
    private static final Duration SOON = Duration.ofSeconds(60);

    static Epochs of(TestGuest guest, Store store) throws VmckptException {
        CheckpointRequest request = PatientRequest.of(guest.qmpSocket(), store);
        return new Epochs(guest, store, CheckpointSeries.open(request, "test"));
    }

    CheckpointReport take() throws VmckptException {
        return series.take(ProgressListener.none(), new Cancellation());
    }

    /** An epoch that ends in a stopped guest holds what its memory holds. */
    void requireLiveMemory(QmpClient qmp) throws Exception {
        qmp.execute("stop");
        RamRegion region = StoredMemory.region(guest, qmp);
        StoredMemory.requireEqual(store, take().manifest(), region);
        qmp.execute("cont");
        awaitTwoTicks();
    }

    /** Waits until the guest has worked a little more. */
    void awaitTwoTicks() {
        guest.console().awaitTick(guest.console().awaitAnyTick(SOON).counter() + 2, SOON);
    }

    @Override
    public void close() {
        series.close();
    }
}
