package org.vmckpt.cow.checkpoint;

import java.util.ArrayList;
import java.util.List;
import org.vmckpt.core.Json;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QemuVersion;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.memory.RamRegion;

/**
 * What QEMU leaves out of a stream with {@code x-ignore-shared}: since 8.1 only memory of {@code
 * memory-backend-file}, since a memfd has no name by which a destination could open it. Then its
 * devices are saved by {@link PlainDeviceSaver}.
 *
 * <p>Asked before the pause: else the guest would stand still while all of its memory is sent.
 */
final class IgnoredMemory {
    private static final int[] ONLY_FILES_SINCE = {8, 1};
    private static final String FILE_BACKEND = "memory-backend-file";

    private IgnoredMemory() {}

    /**
     * Checks that the guest's memory can be kept out of its device state in some way.
     *
     * @throws UnsupportedException when it cannot: says which option helps
     */
    static void require(long pid, QmpClient qmp, List<RamRegion> regions) throws VmckptException {
        if (!isIgnored(pid, qmp, regions)) {
            PlainDeviceSaver.inspect(pid, qmp, regions);
        }
    }

    /**
     * Whether QEMU leaves all of this memory out.
     *
     * @throws UnsupportedException when it does not and cannot save its devices alone
     */
    static boolean isIgnored(long pid, QmpClient qmp, List<RamRegion> regions)
            throws VmckptException {
        QemuVersion version = qmp.version();
        if (!ignoresOnlyFiles(version.major(), version.minor())) {
            return true;
        }
        List<Sent> sent = new ArrayList<>();
        for (RamRegion region : regions) {
            String type = backendType(qmp, region.id());
            if (!type.equals(FILE_BACKEND)) {
                sent.add(new Sent(region, type));
            }
        }
        if (sent.isEmpty()) {
            return true;
        }
        // Of memory that it leaves out QEMU checks the address, which we cannot put in for it.
        if (sent.size() < regions.size() || !PlainDeviceSaver.isOffered(pid, qmp)) {
            throw unsupported(sent.getFirst(), version);
        }
        return false;
    }

    /** Memory that QEMU does not leave out. */
    private record Sent(RamRegion region, String backendType) {}

    private static UnsupportedException unsupported(Sent sent, QemuVersion version) {
        RamRegion region = sent.region();
        return new UnsupportedException(
                "checkpoint: the guest's memory %s is a %s, and QEMU %s can leave only a %s out of its device state: start the guest with -object %s,id=%s,size=%d,share=on,mem-path=FILE, with FILE on tmpfs, for example below /dev/shm"
                        .formatted(
                                region.id(),
                                sent.backendType(),
                                version.number(),
                                FILE_BACKEND,
                                FILE_BACKEND,
                                region.id(),
                                region.sizeBytes()));
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
