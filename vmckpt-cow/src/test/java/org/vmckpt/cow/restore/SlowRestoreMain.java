package org.vmckpt.cow.restore;

import java.nio.file.Path;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;

/** Restores a checkpoint in a process of its own, and never gets past filling memory. */
final class SlowRestoreMain {
    private static final long FOR_EVER_MILLIS = 600_000;

    private SlowRestoreMain() {}

    /**
     * Arguments: store, QMP path, disks folder, whether to serve the disks. Prints a line once
     * memory is being filled.
     *
     * @param args see above
     */
    public static void main(String[] args) throws VmckptException {
        try (Store store = Store.open(Path.of(args[0]))) {
            RestoreRequest request =
                    RestoreRequest.of(
                                    store, store.find("latest"), Path.of(args[1]), Path.of(args[2]))
                            .withServedDisks(Boolean.parseBoolean(args[3]));
            ProgressListener stuck =
                    (phase, done, total, unit) -> {
                        if (phase.equals("fill memory")) {
                            System.out.println("filling");
                            sleep();
                        }
                    };
            new RestoreService().restore(request, stuck);
        }
    }

    private static void sleep() {
        try {
            Thread.sleep(FOR_EVER_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
