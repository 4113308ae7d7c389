package org.vmckpt.agent.guest;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/** What libvirt's hook for QEMU domains tells of, in libvirt's words (hooks.html of libvirt). */
public enum LibvirtOperation {
    PREPARE,
    START,
    STARTED,
    STOPPED,
    RELEASE,
    MIGRATE,
    RESTORE,
    RECONNECT,
    ATTACH;

    public static Optional<LibvirtOperation> of(String word) {
        return Arrays.stream(values())
                .filter(it -> it.name().toLowerCase(Locale.ROOT).equals(word))
                .findFirst();
    }

    /** Whether the domain's QEMU is gone. */
    boolean ends() {
        return this == STOPPED || this == RELEASE;
    }
}
