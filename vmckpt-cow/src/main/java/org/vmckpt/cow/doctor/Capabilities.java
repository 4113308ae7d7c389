package org.vmckpt.cow.doctor;

import java.util.Optional;
import org.vmckpt.cow.memory.ProcessStatus;

/** The effective capabilities of a process (capabilities(7)). */
record Capabilities(long bits) {
    private static final int SYS_PTRACE = 19;
    private static final int SYS_ADMIN = 21;
    private static final int CHECKPOINT_RESTORE = 40;

    static Optional<Capabilities> of(long pid) {
        return ProcessStatus.field(pid, "CapEff")
                .map(digits -> new Capabilities(Long.parseUnsignedLong(digits, 16)));
    }

    boolean mayTrace() {
        return has(SYS_PTRACE);
    }

    /** Whether /proc/PID/map_files of others can be opened. */
    boolean mayOpenMappedFiles() {
        return has(SYS_ADMIN) || has(CHECKPOINT_RESTORE);
    }

    private boolean has(int capability) {
        return (bits >>> capability & 1) != 0;
    }
}
