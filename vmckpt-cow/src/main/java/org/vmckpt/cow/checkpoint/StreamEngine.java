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

/** What the engines have in common that let QEMU write all of memory into its stream. */
abstract sealed class StreamEngine implements CaptureEngine permits BackgroundEngine, PauseEngine {
    /** QEMU, or the store, does nothing at all for so long. */
    private static final Duration STALL_LIMIT = Duration.ofSeconds(60);

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
            String uri,
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
                CowBudget.choose(request.cowBudgetBytes(), MemoryBackend.totalBytes(backends));
    }

    @Override
    public void prepare(MigrationSocket socket) throws VmckptException {
        StreamedMemory memory =
                new StreamedMemory(request.store(), backends, budgetBytes, progress, cancellation);
        StreamReceiver receiver = StreamReceiver.start(socket, memory);
        prepared = new Prepared(socket.uri(), new OutgoingMigration(qmp), receiver, memory);
    }

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
        prepared().migration().start(prepared().uri());
    }

    /** Waits for the whole stream, however long it takes, as long as it moves. */
    final void awaitStream() throws VmckptException {
        Prepared parts = prepared();
        long before = -1;
        while (!parts.migration().endsWithin(STALL_LIMIT)) {
            long now = parts.receiver().receivedBytes();
            if (now == before) {
                throw new TransportException(
                        "checkpoint: QEMU wrote nothing for "
                                + STALL_LIMIT.toSeconds()
                                + " s after "
                                + now
                                + " bytes of its state, or the store took nothing; the guest runs"
                                + " on");
            }
            before = now;
        }
        try {
            parts.migration().awaitCompleted(END_LIMIT);
        } catch (TransportException e) {
            throw ownFailureOr(e);
        }
        deviceStream = parts.receiver().await(END_LIMIT);
        parts.migration().finished();
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
        if (prepared != null) {
            // Else a store that takes nothing would keep QEMU from ending its migration.
            prepared.memory().giveUp();
            prepared.migration().cancel();
        }
    }

    @Override
    public void close() {
        if (prepared != null) {
            prepared.migration().close();
            prepared.receiver().close();
            prepared.memory().close();
            prepared = null;
        }
    }
}
