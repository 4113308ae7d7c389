package org.vmckpt.cow.rollback;

import java.util.function.Consumer;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;

/** A rollback that says how far it has come. */
public final class ProbedRollback {
    private ProbedRollback() {}

    /**
     * As {@link RollbackService#rollback}.
     *
     * @param at hears the names of {@link RollbackProbe.Moment}
     */
    public static RollbackReport run(RollbackRequest request, Consumer<String> at)
            throws VmckptException {
        return RollbackService.rollback(
                request, ProgressListener.none(), moment -> at.accept(moment.name()));
    }
}
