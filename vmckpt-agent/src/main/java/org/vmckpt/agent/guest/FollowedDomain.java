package org.vmckpt.agent.guest;

import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.libvirt.DomainEntry;
import org.vmckpt.cow.checkpoint.GuestAddress;

/**
 * What is known of a guest that is a domain.
 *
 * @param last the domain as libvirt last showed it, also when it does not answer any more
 */
record FollowedDomain(GuestAddress.Libvirt address, GuestState state, Optional<DomainEntry> last) {

    /**
     * One that was not followed before.
     *
     * @param listing all domains; null while libvirtd does not answer
     */
    static FollowedDomain first(GuestAddress.Libvirt address, @Nullable List<DomainEntry> listing) {
        FollowedDomain unknown = new FollowedDomain(address, GuestState.UNKNOWN, Optional.empty());
        return listing == null ? unknown : unknown.seen(listing);
    }

    FollowedDomain unreachable() {
        return new FollowedDomain(address, GuestState.UNKNOWN, last);
    }

    FollowedDomain seen(List<DomainEntry> listing) {
        Optional<DomainEntry> now =
                listing.stream().filter(it -> it.isNamed(address.domain())).findFirst();
        return new FollowedDomain(
                address,
                now.map(this::stateOf).orElse(GuestState.MISSING),
                now.isPresent() ? now : last);
    }

    /** One that has run since its start counts as running also when somebody pauses it. */
    private GuestState stateOf(DomainEntry now) {
        if (!now.isActive()) {
            return GuestState.OFF;
        }
        boolean ran = state == GuestState.RUNNING && isSameRun(now);
        return now.executes() || ran ? GuestState.RUNNING : GuestState.STARTING;
    }

    private boolean isSameRun(DomainEntry other) {
        return last.filter(it -> it.uuid().equals(other.uuid()) && it.run() == other.run())
                .isPresent();
    }

    /** Whether what was held of its QEMU before is of no use any more. */
    boolean endedSince(FollowedDomain before) {
        boolean isSame = isThere() && last.filter(before::isSameRun).isPresent();
        return before.isThere() && !isSame;
    }

    private boolean isThere() {
        return state == GuestState.RUNNING || state == GuestState.STARTING;
    }

    boolean isNamed(String nameOrUuid) {
        return address.domain().equals(nameOrUuid)
                || last.filter(it -> it.isNamed(nameOrUuid)).isPresent();
    }
}
