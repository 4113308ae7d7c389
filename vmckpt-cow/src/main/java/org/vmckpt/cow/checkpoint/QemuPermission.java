package org.vmckpt.cow.checkpoint;

import java.io.IOException;
import java.util.Optional;
import org.vmckpt.cow.guard.UserfaultfdSetting;
import org.vmckpt.cow.memory.ProcessStatus;

/**
 * What a confined QEMU is allowed while it needs it: its own background snapshot opens a
 * userfaultfd.
 */
record QemuPermission(Optional<UserfaultfdSetting> setting) implements AutoCloseable {
    private static final String ROOT = "0";

    /** What an engine has QEMU do. */
    static QemuPermission of(EngineName engine, long pid) {
        return engine == EngineName.BACKGROUND
                ? forUserfaultfd(pid)
                : new QemuPermission(Optional.empty());
    }

    /** Nothing when it has that permission anyway, or when we cannot give it: QEMU tells then. */
    static QemuPermission forUserfaultfd(long pid) {
        String user = ProcessStatus.field(pid, "Uid").orElse(ROOT).split("\\s+", 2)[0];
        // That it is allowed now says nothing: another checkpoint may have seen to it, and end.
        if (user.equals(ROOT) || !UserfaultfdSetting.isOurs()) {
            return new QemuPermission(Optional.empty());
        }
        try {
            return new QemuPermission(Optional.of(UserfaultfdSetting.allow()));
        } catch (IOException e) {
            return new QemuPermission(Optional.empty());
        }
    }

    @Override
    public void close() {
        setting.ifPresent(UserfaultfdSetting::close);
    }
}
