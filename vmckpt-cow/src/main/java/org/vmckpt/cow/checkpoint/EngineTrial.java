package org.vmckpt.cow.checkpoint;

import java.util.List;
import java.util.Locale;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QemuVersion;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.memory.RamRegion;

/** The first steps of a checkpoint that QEMU can refuse, taken and taken back. */
public final class EngineTrial {
    private EngineTrial() {}

    /**
     * Returns the guest's status in a word.
     *
     * @throws RefusedException when a checkpoint would be refused because of it, or because of a
     *     migration under way
     */
    public static String requireQuiet(QmpClient qmp) throws VmckptException {
        GuestStatus status = GuestStatus.query(qmp);
        MigrationSetup.refuseMigrationUnderWay(qmp);
        return status.name().toLowerCase(Locale.ROOT);
    }

    /**
     * For uffd: it must be possible to keep this memory out of the device state, and the kernel
     * must tell when the guest gives some of it back.
     *
     * @throws UnsupportedException when that is not so
     */
    public static void requireFit(long pid, QmpClient qmp, List<RamRegion> memory)
            throws VmckptException {
        IgnoredMemory.require(pid, qmp, memory);
        HugePageDiscards.refuse(qmp, memory);
    }

    /** Whether a QEMU can leave only memory of memory-backend-file out of the device state. */
    public static boolean needsFile(long pid, QmpClient qmp) throws VmckptException {
        QemuVersion version = qmp.version();
        return IgnoredMemory.ignoresOnlyFiles(version.major(), version.minor())
                && !PlainDeviceSaver.isOffered(pid, qmp);
    }

    /** Sets QEMU's migration up for an engine, and puts back what was there. */
    public static void tryMigrationSetup(long pid, QmpClient qmp, EngineName engine)
            throws VmckptException {
        try (QemuPermission _ = QemuPermission.of(engine, pid)) {
            MigrationSetup.apply(qmp, engine).undo();
        }
    }
}
