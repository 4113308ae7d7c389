package org.vmckpt.core.store;

import java.nio.file.Path;
import java.util.Optional;
import org.vmckpt.core.ProgressListener;

/** A process that compacts a store until its death. */
final class CompactorProcess {
    private CompactorProcess() {}

    public static void main(String[] arguments) throws Exception {
        try (Store store = Store.open(Path.of(arguments[0]))) {
            System.out.println("compacting");
            for (int maxLayers = 12; maxLayers > 0; maxLayers--) {
                Compactor.compact(store, Optional.empty(), maxLayers, ProgressListener.none());
            }
            System.in.read();
        }
    }
}
