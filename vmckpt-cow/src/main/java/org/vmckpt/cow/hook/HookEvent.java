package org.vmckpt.cow.hook;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/** What hooks are told of. */
public enum HookEvent {
    PRE_CHECKPOINT,
    PAUSED,
    RESUMED,
    DURABLE,
    FAILED,
    PRE_RESTORE,
    RESTORED;

    /** For example {@code pre-checkpoint}. */
    public String text() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    public static Optional<HookEvent> of(String text) {
        return Arrays.stream(values()).filter(event -> event.text().equals(text)).findFirst();
    }
}
