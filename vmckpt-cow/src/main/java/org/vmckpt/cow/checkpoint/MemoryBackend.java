package org.vmckpt.cow.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.memory.AuxiliaryMemory;

/** A piece of guest memory, as QEMU lists it; plain {@code -m} makes one too. */
record MemoryBackend(String id, long sizeBytes, boolean shared) {

    static List<MemoryBackend> list(QmpClient qmp) throws VmckptException {
        List<MemoryBackend> backends = new ArrayList<>();
        for (JsonNode backend : qmp.execute("query-memdev")) {
            backends.add(
                    new MemoryBackend(
                            backend.path("id").asText(),
                            backend.path("size").asLong(),
                            backend.path("share").asBoolean()));
        }
        if (backends.isEmpty()) {
            throw new UnsupportedException(
                    "checkpoint over " + qmp.socketPath() + ": the guest has no memory");
        }
        return backends;
    }

    static long totalBytes(List<MemoryBackend> backends) {
        return backends.stream().mapToLong(MemoryBackend::sizeBytes).sum();
    }

    /**
     * Refuses a guest with more in its other RAM than can be kept.
     *
     * @see AuxiliaryMemory#requireFits
     */
    static void requireOthersFit(long pid, QmpClient qmp) throws VmckptException {
        List<MemoryBackend> backends = list(qmp);
        AuxiliaryMemory.requireFits(
                pid, qmp, block -> backends.stream().anyMatch(backend -> backend.isBlock(block)));
    }

    /** Older machine types name a RAM block by the whole path of its backend. */
    boolean isBlock(String ramBlock) {
        return ramBlock.equals(id) || ramBlock.equals("/objects/" + id);
    }
}
