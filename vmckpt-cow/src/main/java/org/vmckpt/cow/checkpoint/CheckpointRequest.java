package org.vmckpt.cow.checkpoint;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import org.vmckpt.core.store.Store;

/**
 * What to checkpoint, and within which limits.
 *
 * @param name a label for people
 * @param cowBudgetBytes memory for originals on their way to the store; empty means the smaller of
 *     guest memory and a quarter of free memory
 * @param drainTimeout how long the guest may stand still for pending disk requests; longer fails
 *     the checkpoint
 * @param engine how memory is saved; empty takes the first that the guest allows
 * @param full stores all of memory, also what an earlier checkpoint of this guest holds already
 * @param diskIo what becomes of pending requests of volumes; other disks are always drained
 */
public record CheckpointRequest(
        Path qmpSocket,
        Store store,
        Optional<String> name,
        OptionalLong cowBudgetBytes,
        Duration drainTimeout,
        Optional<EngineName> engine,
        boolean full,
        DiskIo diskIo) {

    public static final Duration DEFAULT_DRAIN_TIMEOUT = Duration.ofSeconds(1);

    public static CheckpointRequest of(Path qmpSocket, Store store) {
        return new CheckpointRequest(
                qmpSocket,
                store,
                Optional.empty(),
                OptionalLong.empty(),
                DEFAULT_DRAIN_TIMEOUT,
                Optional.empty(),
                false,
                DiskIo.AUTO);
    }

    public CheckpointRequest withEngine(EngineName wanted) {
        return new CheckpointRequest(
                qmpSocket,
                store,
                name,
                cowBudgetBytes,
                drainTimeout,
                Optional.of(wanted),
                full,
                diskIo);
    }

    public CheckpointRequest withName(Optional<String> label) {
        return new CheckpointRequest(
                qmpSocket, store, label, cowBudgetBytes, drainTimeout, engine, full, diskIo);
    }

    public CheckpointRequest withCowBudget(long bytes) {
        return new CheckpointRequest(
                qmpSocket, store, name, OptionalLong.of(bytes), drainTimeout, engine, full, diskIo);
    }

    public CheckpointRequest withDrainTimeout(Duration limit) {
        return new CheckpointRequest(
                qmpSocket, store, name, cowBudgetBytes, limit, engine, full, diskIo);
    }

    public CheckpointRequest withDiskIo(DiskIo wanted) {
        return new CheckpointRequest(
                qmpSocket, store, name, cowBudgetBytes, drainTimeout, engine, full, wanted);
    }
}
