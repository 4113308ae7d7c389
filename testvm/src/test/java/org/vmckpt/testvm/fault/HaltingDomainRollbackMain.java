package org.vmckpt.testvm.fault;

import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.cow.restore.DomainRestore;
import org.vmckpt.cow.rollback.ProbedDomainRollback;

/**
 * Rolls a domain back and stands still at one point of it, to be killed there. Arguments: URI,
 * domain, store, checkpoint, safety checkpoint, folder for disks, and the moment's name.
 */
public final class HaltingDomainRollbackMain {
    private HaltingDomainRollbackMain() {}

    public static void main(String[] arguments) throws VmckptException {
        GuestAddress.Libvirt address = new GuestAddress.Libvirt(arguments[0], arguments[1]);
        try (Store store = Store.open(Path.of(arguments[2]))) {
            DomainRestore.Request target =
                    new DomainRestore.Request(
                            store,
                            store.find(arguments[3]),
                            address.uri(),
                            Path.of(arguments[5]),
                            Map.of(),
                            Optional.empty(),
                            false,
                            false);
            ProbedDomainRollback.run(
                    address,
                    target,
                    store.find(arguments[4]).id(),
                    moment -> Programs.haltAt(arguments[6], moment));
        }
    }
}
