package org.vmckpt.cow.rollback;

import java.util.function.Consumer;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.cow.restore.DomainRestore;

/** A rollback of a domain that says how far it has come. */
public final class ProbedDomainRollback {
    private ProbedDomainRollback() {}

    /** As {@link DomainRollback#rollback}. */
    public static DomainRollback.Report run(
            GuestAddress.Libvirt address,
            DomainRestore.Request target,
            CheckpointId safety,
            Consumer<String> at)
            throws VmckptException {
        return DomainRollback.rollback(address, target, safety, ProgressListener.none(), at);
    }
}
