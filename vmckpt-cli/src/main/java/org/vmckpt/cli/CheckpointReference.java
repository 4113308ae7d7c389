package org.vmckpt.cli;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;

/** How a user names a checkpoint. */
final class CheckpointReference {
    static final String DESCRIPTION =
            "A checkpoint: its id, a unique start of the id or of its random part, its name, or"
                    + " 'latest'.";

    private CheckpointReference() {}

    /** Each checkpoint once, in the order named; fails when one of them is not known. */
    static Collection<Manifest> findAll(Store store, Collection<String> references)
            throws VmckptException {
        Map<CheckpointId, Manifest> found = new LinkedHashMap<>();
        for (String reference : references) {
            Manifest manifest = store.find(reference);
            found.put(manifest.id(), manifest);
        }
        return found.values();
    }
}
