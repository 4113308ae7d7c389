package org.vmckpt.core.libvirt;

import java.util.UUID;

/**
 * A domain in libvirt's list.
 *
 * @param run libvirt's number of this run of it, another one after each start; -1 when it is off
 * @param executes whether its processors run; while it starts or comes by a migration they do not
 */
public record DomainEntry(String name, UUID uuid, int run, boolean executes) {
    public boolean isActive() {
        return run >= 0;
    }

    /** Whether somebody who says this means this domain. */
    public boolean isNamed(String nameOrUuid) {
        return name.equals(nameOrUuid) || uuid.toString().equalsIgnoreCase(nameOrUuid);
    }
}
