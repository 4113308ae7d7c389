package org.vmckpt.cow.checkpoint;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.guard.Guard;
import org.vmckpt.cow.memory.MemoryTracker;

/** What the engines have in common that let QEMU write all of memory into its stream. */
abstract sealed class StreamEngine implements CaptureEngine permits BackgroundEngine, PauseEngine {
    /** QEMU, or the store, does nothing at all for so long. */
    private static final Duration STALL_LIMIT = Duration.ofSeconds(60);

    private static final Duration LOOK = Duration.ofMillis(50);
    private static final Duration END_LIMIT = Duration.ofSeconds(20);

    final QmpClient qmp;
    private final CheckpointRequest request;
    private final ProgressListener progress;
    private final Cancellation cancellation;
    private final List<MemoryBackend> backends;
    private final long budgetBytes;
    private byte[] deviceStream = {};
    private @Nullable Prepared prepared;

    private record Prepared(
            StreamSource source,
            OutgoingMigration migration,
            StreamReceiver receiver,
            StreamedMemory memory) {}

    StreamEngine(
            GuestSession guest,
            CheckpointRequest request,
            ProgressListener progress,
            Cancellation cancellation)
            throws VmckptException {
        this.qmp = guest.qmp();
        this.request = request;
        this.progress = progress;
        this.cancellation = cancellation;
        this.backends = MemoryBackend.list(qmp);
        this.budgetBytes =
                CowBudget.choose(
                        request.cowBudgetBytes(),
                        MemoryBackend.totalBytes(backends),
                        MemoryTracker.MIN_BUDGET_BYTES);
    }

    @Override
    public void prepare(MigrationSocket socket, Guard guard, MemoryParent parent)
            throws VmckptException {
        StreamSource source = open(socket, guard);
        StreamedMemory memory =
                new StreamedMemory(request.store(), backends, budgetBytes, progress, cancellation);
        StreamReceiver receiver = StreamReceiver.start(source, memory);
        prepared = new Prepared(source, new OutgoingMigration(qmp), receiver, memory);
    }

    /** Somebody listens when this returns. */
    abstract StreamSource open(MigrationSocket socket, Guard guard) throws VmckptException;

    private Prepared prepared() {
        if (prepared == null) {
            throw new IllegalStateException("used before prepare");
        }
        return prepared;
    }

    @Override
    public void protectAhead() {}

    /** Nothing: QEMU does it, or nobody writes memory. */
    @Override
    public void protect() {}

    final void startMigration() throws VmckptException {
        prepared().migration().start(prepared().source().uri());
    }

    /** Waits for the whole stream, however long it takes, as long as it moves. */
    final void awaitStream() throws VmckptException {
        Prepared parts = prepared();
        if (!awaitEndOfMovement(parts)) {
            throw new TransportException(
                    "checkpoint: QEMU wrote nothing for "
                            + STALL_LIMIT.toSeconds()
                            + " s after "
                            + parts.receiver().receivedBytes()
                            + " bytes of its state, or the store took nothing");
        }
        try {
            parts.migration().awaitCompleted(END_LIMIT);
        } catch (TransportException e) {
            throw ownFailureOr(e);
        }
        deviceStream = parts.receiver().await(END_LIMIT);
        parts.migration().finished();
    }

    /**
     * Waits for the first page of memory: before it QEMU has saved devices and protected memory.
     */
    final void awaitFirstPage(Duration limit) throws VmckptException {
        Prepared parts = prepared();
        long start = System.nanoTime();
        while (!parts.memory().beginsWithin(LOOK)) {
            if (parts.migration().endsWithin(Duration.ZERO)) {
                parts.migration().awaitCompleted(END_LIMIT);
            }
            if (System.nanoTime() - start > limit.toNanos()) {
                throw new TransportException(
                        "checkpoint: QEMU began no memory within " + limit.toSeconds() + " s");
            }
        }
    }

    /** Whether the migration has ended, or else only stands still. */
    private static boolean awaitEndOfMovement(Prepared parts) throws VmckptException {
        if (!parts.migration().underWay()) {
            return true;
        }
        long before = -1;
        while (!parts.migration().endsWithin(STALL_LIMIT)) {
            long now = parts.receiver().receivedBytes();
            if (now == before) {
                return false;
            }
            before = now;
        }
        return true;
    }

    /** QEMU fails when we hang up; then our reason is the one that counts. */
    final VmckptException ownFailureOr(VmckptException qemuFailure) {
        Throwable own = prepared().receiver().failure().orElse(qemuFailure);
        if (own instanceof VmckptException known && !(own instanceof CorruptException)) {
            return known;
        }
        if (own != qemuFailure) {
            qemuFailure.addSuppressed(own);
        }
        return qemuFailure;
    }

    /** Waits until everything that has come is stored. */
    final Captured drain(long windowMicros) throws VmckptException {
        StreamedMemory memory = prepared().memory();
        memory.drain();
        return new Captured(
                windowMicros,
                0,
                memory.dataBytes(),
                Map.of(
                        "streamBytes",
                        prepared().receiver().receivedBytes(),
                        "zeroPages",
                        memory.zeroPages()));
    }

    @Override
    public byte[] deviceStream() {
        return deviceStream;
    }

    @Override
    public List<MemoryBlock> finishMemory() throws VmckptException {
        return prepared().memory().finish();
    }

    @Override
    public long storedBytes() {
        return prepared().memory().storedBytes();
    }

    @Override
    public void cancel() throws VmckptException {
        if (prepared == null) {
            return;
        }
        prepared.memory().giveUp();
        if (prepared.source().mustBeDrained()) {
            awaitEndOfMovement(prepared);
        } else {
            prepared.migration().cancel();
        }
    }

    @Override
    public void close() {
        if (prepared != null) {
            prepared.migration().close();
            if (prepared.receiver().end()) {
                prepared.memory().close();
            }
            prepared = null;
        }
    }
}
