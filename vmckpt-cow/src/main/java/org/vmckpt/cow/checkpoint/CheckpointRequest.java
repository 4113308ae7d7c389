package org.vmckpt.cow.checkpoint;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.hook.Hooks;

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
 * @param quiesce has the guest hold its file systems still meanwhile
 * @param hooks who is asked before it and told of it
 */
public record CheckpointRequest(
        GuestAddress guest,
        Store store,
        Optional<String> name,
        OptionalLong cowBudgetBytes,
        Duration drainTimeout,
        Optional<EngineName> engine,
        boolean full,
        DiskIo diskIo,
        Optional<Quiesce> quiesce,
        Hooks hooks) {

    public static final Duration DEFAULT_DRAIN_TIMEOUT = Duration.ofSeconds(1);

    /** A checkpoint that nobody is told of. */
    public CheckpointRequest(
            GuestAddress guest,
            Store store,
            Optional<String> name,
            OptionalLong cowBudgetBytes,
            Duration drainTimeout,
            Optional<EngineName> engine,
            boolean full,
            DiskIo diskIo) {
        this(
                guest,
                store,
                name,
                cowBudgetBytes,
                drainTimeout,
                engine,
                full,
                diskIo,
                Optional.empty(),
                Hooks.NONE);
    }

    public static CheckpointRequest of(Path qmpSocket, Store store) {
        return of(GuestAddress.of(qmpSocket), store);
    }

    public static CheckpointRequest of(GuestAddress guest, Store store) {
        return new CheckpointRequest(
                guest,
                store,
                Optional.empty(),
                OptionalLong.empty(),
                DEFAULT_DRAIN_TIMEOUT,
                Optional.empty(),
                false,
                DiskIo.AUTO);
    }

    public CheckpointRequest withEngine(EngineName wanted) {
        return with(draft -> draft.engine = Optional.of(wanted));
    }

    public CheckpointRequest withName(Optional<String> label) {
        return with(draft -> draft.name = label);
    }

    public CheckpointRequest withCowBudget(long bytes) {
        return with(draft -> draft.cowBudgetBytes = OptionalLong.of(bytes));
    }

    public CheckpointRequest withDrainTimeout(Duration limit) {
        return with(draft -> draft.drainTimeout = limit);
    }

    public CheckpointRequest withDiskIo(DiskIo wanted) {
        return with(draft -> draft.diskIo = wanted);
    }

    public CheckpointRequest withHooks(Hooks others) {
        return with(draft -> draft.hooks = others);
    }

    public CheckpointRequest withQuiesce(Optional<Quiesce> wish) {
        return with(draft -> draft.quiesce = wish);
    }

    private CheckpointRequest with(Consumer<Draft> change) {
        Draft draft = new Draft(this);
        change.accept(draft);
        return draft.of(this);
    }

    /** What can be changed of a request; the one place that copies it, so that nothing is lost. */
    private static final class Draft {
        private Optional<String> name;
        private OptionalLong cowBudgetBytes;
        private Duration drainTimeout;
        private Optional<EngineName> engine;
        private DiskIo diskIo;
        private Optional<Quiesce> quiesce;
        private Hooks hooks;

        private Draft(CheckpointRequest from) {
            name = from.name;
            cowBudgetBytes = from.cowBudgetBytes;
            drainTimeout = from.drainTimeout;
            engine = from.engine;
            diskIo = from.diskIo;
            quiesce = from.quiesce;
            hooks = from.hooks;
        }

        private CheckpointRequest of(CheckpointRequest from) {
            return new CheckpointRequest(
                    from.guest,
                    from.store,
                    name,
                    cowBudgetBytes,
                    drainTimeout,
                    engine,
                    from.full,
                    diskIo,
                    quiesce,
                    hooks);
        }
    }
}
