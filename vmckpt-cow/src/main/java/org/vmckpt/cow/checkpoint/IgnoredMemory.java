package org.vmckpt.cow.checkpoint;

import java.util.List;
import org.vmckpt.core.Json;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QemuVersion;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.memory.RamRegion;

/**
 * What QEMU leaves out of a stream with {@code x-ignore-shared}: since 8.1 only memory of {@code
 * memory-backend-file}, since a memfd has no name by which a destination could open it.
 *
 * <p>Asked before the pause: else the guest would stand still while all of its memory is sent.
 */
final class IgnoredMemory {
    private static final int[] ONLY_FILES_SINCE = {8, 1};
    private static final String FILE_BACKEND = "memory-backend-file";

    private IgnoredMemory() {}

    static void require(QmpClient qmp, List<RamRegion> regions) throws VmckptException {
        QemuVersion version = qmp.version();
        if (!ignoresOnlyFiles(version.major(), version.minor())) {
            return;
        }
        for (RamRegion region : regions) {
            String type = backendType(qmp, region.id());
            if (!type.equals(FILE_BACKEND)) {
                throw new UnsupportedException(
                        "checkpoint: the guest's memory %s is a %s, and QEMU %s can leave only a %s out of its device state: start the guest with -object %s,id=%s,size=%d,share=on,mem-path=FILE, with FILE on tmpfs, for example below /dev/shm"
                                .formatted(
                                        region.id(),
                                        type,
                                        version.number(),
                                        FILE_BACKEND,
                                        FILE_BACKEND,
                                        region.id(),
                                        region.sizeBytes()));
            }
        }
    }

    static boolean ignoresOnlyFiles(int major, int minor) {
        return major > ONLY_FILES_SINCE[0]
                || (major == ONLY_FILES_SINCE[0] && minor >= ONLY_FILES_SINCE[1]);
    }

    private static String backendType(QmpClient qmp, String id) throws VmckptException {
        return qmp.execute(
                        "qom-get",
                        Json.MAPPER
                                .createObjectNode()
                                .put("path", "/objects/" + id)
                                .put("property", "type"))
                .asText();
    }
}
