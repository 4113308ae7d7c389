package org.vmckpt.agent.guest;

import com.fasterxml.jackson.annotation.JsonValue;
import java.util.Locale;

/** Whether a guest is there to be checkpointed. */
public enum GuestState {
    RUNNING,

    /** libvirt has started the domain, or takes it from another host; it has not run yet. */
    STARTING,
    OFF,

    /** libvirt has no such domain: it was never defined, or has gone to another host. */
    MISSING,

    /** libvirtd does not answer. */
    UNKNOWN;

    @JsonValue
    public String text() {
        return name().toLowerCase(Locale.ROOT);
    }
}
