package org.vmckpt.cow.checkpoint;

import java.util.Locale;

/** The engines, best first. */
public enum EngineName {
    /** Write protection from outside; for shared memory. */
    UFFD,
    /** QEMU's background snapshot: write protection by QEMU itself, also of private memory. */
    BACKGROUND,
    /** The guest stands still while its memory is read. */
    PAUSE;

    /** As users and manifests write it. */
    public String text() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Whether a capability of QEMU's migration has to be on; all others have to be off. */
    boolean needs(String capability) {
        return switch (capability) {
            case "events" -> true;
            case "x-ignore-shared" -> this == UFFD;
            case "background-snapshot" -> this == BACKGROUND;
            default -> false;
        };
    }
}
