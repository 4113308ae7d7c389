package org.vmckpt.agent.job;

import com.fasterxml.jackson.annotation.JsonValue;
import java.util.Locale;

/** What is done, as the command of the same name does it. */
public enum JobKind {
    CHECKPOINT,
    RELEASE,
    LEND,
    VERIFY,
    COMMIT;

    @JsonValue
    public String text() {
        return name().toLowerCase(Locale.ROOT);
    }
}
