package org.vmckpt.cow.checkpoint;

import java.util.List;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.guard.Guard;

/**
 * One way to save memory and devices as they are at one instant. Called in this order, by one
 * thread; {@link #close} at any time.
 */
interface CaptureEngine extends AutoCloseable {
    /**
     * Whatever takes time and can be done while the guest runs.
     *
     * @param parent what the engine may put its layers on
     */
    void prepare(MigrationSocket socket, Guard guard, MemoryParent parent) throws VmckptException;

    /** The guest runs: does ahead what {@link #protect} then need not do. */
    void protectAhead() throws VmckptException;

    /** Right before the guest stands still: once more what it wrote since {@link #protectAhead}. */
    default void protectAgain() throws VmckptException {}

    /** The command that lets the guest stand still was sent. */
    default void stopping() {}

    /** The guest stands still, QEMU forks its disks: begins to keep its memory as it is. */
    void protect() throws VmckptException;

    /** QEMU is busy with the guest's stop or its disks: lets it read ahead what save tells it. */
    default void stageSave() throws VmckptException {}

    /**
     * Whether {@link #save} may come while QEMU forks the disks, since it does no more than give
     * QEMU the command that is next. Should the fork then fail, the command is carried out for
     * nothing.
     */
    default boolean savesBehindFork() {
        return false;
    }

    /** The guest stands still: QEMU begins to write its devices as soon as its disks are forked. */
    void save() throws VmckptException;

    /** When this returns the guest may go on. */
    default void awaitSaved() throws VmckptException {}

    /** Whether QEMU let the guest go on by itself, in {@link #save}. */
    boolean resumesGuest();

    /** The guest goes on, unless it was stopped before. */
    void start();

    /** Waits until all of memory is on its way to the store. */
    Captured awaitCaptured() throws VmckptException;

    /** The migration stream without the memory that {@link #finishMemory} tells of. */
    byte[] deviceStream() throws VmckptException;

    /** Makes the segments of memory durable. */
    List<MemoryBlock> finishMemory() throws VmckptException;

    /** What did not work and does not harm; after {@link #finishMemory}. */
    default List<String> warnings() {
        return List.of();
    }

    /** Bytes of memory in the store, after compression. */
    long storedBytes();

    /** After a failure: no migration of ours goes on that could stop the guest again. */
    void cancel() throws VmckptException;

    @Override
    void close();
}
