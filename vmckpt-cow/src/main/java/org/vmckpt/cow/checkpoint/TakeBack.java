package org.vmckpt.cow.checkpoint;

import java.util.ArrayDeque;
import java.util.Deque;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.VmckptException;

/**
 * How each step of a checkpoint is taken back. {@link #close} takes back, newest first, whatever
 * success did not settle.
 */
final class TakeBack implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(TakeBack.class);

    private final CheckpointId id;
    private final Deque<Step> steps = new ArrayDeque<>();

    /** How one step is undone. */
    interface Undo {
        void run() throws VmckptException;
    }

    private record Step(String name, boolean onlyOnFailure, Undo undo) {}

    TakeBack(CheckpointId id) {
        this.id = id;
    }

    /** Undone unless the checkpoint is settled. */
    void onFailure(String name, Undo undo) {
        steps.push(new Step(name, true, undo));
    }

    /** Undone in any case. */
    void always(String name, Undo undo) {
        steps.push(new Step(name, false, undo));
    }

    /** Closed in any case. */
    <T extends AutoCloseable> T keep(String name, T resource) {
        always(name, () -> closeQuietly(resource));
        return resource;
    }

    private static void closeQuietly(AutoCloseable resource) throws VmckptException {
        try {
            resource.close();
        } catch (VmckptException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    /** The checkpoint is durable: from here on only what is always cleaned up is cleaned up. */
    void settle() {
        steps.removeIf(Step::onlyOnFailure);
    }

    /** One that fails does not keep the others from being taken back. */
    @Override
    public void close() {
        while (!steps.isEmpty()) {
            Step step = steps.pop();
            try {
                step.undo().run();
            } catch (VmckptException | RuntimeException e) {
                LOG.warn("cleaning up {} of checkpoint {}: {}", step.name(), id, e.getMessage());
            }
        }
    }
}
