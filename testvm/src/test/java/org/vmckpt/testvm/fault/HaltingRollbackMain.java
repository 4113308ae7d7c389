package org.vmckpt.testvm.fault;

import java.nio.file.Path;
import java.util.Optional;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.restore.RestoreRequest;
import org.vmckpt.cow.rollback.ProbedRollback;
import org.vmckpt.cow.rollback.RollbackRequest;

/**
 * Rolls a guest back and stands still at one point of it, to be killed there. Arguments: QMP
 * socket, store, checkpoint, safety checkpoint, folder for disks, and the moment's name.
 */
public final class HaltingRollbackMain {
    private HaltingRollbackMain() {}

    public static void main(String[] arguments) throws VmckptException {
        try (Store store = Store.open(Path.of(arguments[1]))) {
            RestoreRequest target =
                    RestoreRequest.of(
                            store,
                            store.find(arguments[2]),
                            Path.of(arguments[0]),
                            Path.of(arguments[4]));
            Optional<CheckpointId> safety = Optional.of(store.find(arguments[3]).id());
            ProbedRollback.run(
                    new RollbackRequest(target, safety),
                    moment -> Programs.haltAt(arguments[5], moment));
        }
    }
}
