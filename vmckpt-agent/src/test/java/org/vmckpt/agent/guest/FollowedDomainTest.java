package org.vmckpt.agent.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.vmckpt.core.libvirt.DomainEntry;
import org.vmckpt.cow.checkpoint.GuestAddress;

final class FollowedDomainTest {
    private static final UUID ID = UUID.fromString("6f1c2b7e-3a4d-4f5b-8c6d-7e8f90a1b2c3");
    private static final GuestAddress.Libvirt ADDRESS =
            new GuestAddress.Libvirt("qemu:///system", "web");

    private static FollowedDomain seen(FollowedDomain before, int run, boolean executes) {
        return before.seen(
                List.of(
                        new DomainEntry("other", UUID.randomUUID(), 7, true),
                        new DomainEntry("web", ID, run, executes)));
    }

    private static FollowedDomain unknown() {
        return FollowedDomain.first(ADDRESS, null);
    }

    @Test
    void itIsTakenUpOnceItRunsAndStaysWhenItIsPaused() {
        FollowedDomain off = seen(unknown(), -1, false);
        assertThat(off.state()).isEqualTo(GuestState.OFF);
        FollowedDomain starting = seen(off, 1, false);
        assertThat(starting.state()).isEqualTo(GuestState.STARTING);
        assertThat(starting.endedSince(off)).isFalse();
        FollowedDomain running = seen(starting, 1, true);
        assertThat(running.state()).isEqualTo(GuestState.RUNNING);
        assertThat(running.endedSince(starting)).isFalse();
        FollowedDomain paused = seen(running, 1, false);
        assertThat(paused.state()).isEqualTo(GuestState.RUNNING);
        assertThat(paused.endedSince(running)).isFalse();
    }

    @Test
    void itIsGivenUpAtItsEndAndWhenItHasGoneElsewhere() {
        FollowedDomain running = seen(unknown(), 1, true);
        assertThat(seen(running, -1, false).endedSince(running)).isTrue();
        FollowedDomain gone = running.seen(List.of());
        assertThat(gone.state()).isEqualTo(GuestState.MISSING);
        assertThat(gone.endedSince(running)).isTrue();
        assertThat(gone.last()).isEqualTo(running.last());
    }

    @Test
    void anotherRunOfItIsAnotherGuestAlsoIfItsEndWasMissed() {
        FollowedDomain running = seen(unknown(), 1, true);
        FollowedDomain again = seen(running, 2, true);
        assertThat(again.state()).isEqualTo(GuestState.RUNNING);
        assertThat(again.endedSince(running)).isTrue();
        assertThat(seen(running, 2, false).state()).isEqualTo(GuestState.STARTING);
    }

    @Test
    void withoutLibvirtdNothingIsHeldAndItsIdentityIsRemembered() {
        FollowedDomain running = seen(unknown(), 1, true);
        FollowedDomain lost = running.unreachable();
        assertThat(lost.endedSince(running)).isTrue();
        assertThat(lost.isNamed(ID.toString())).isTrue();
        assertThat(lost.isNamed("other")).isFalse();
        FollowedDomain back = seen(lost, 1, true);
        assertThat(back.state()).isEqualTo(GuestState.RUNNING);
        assertThat(back.endedSince(lost)).isFalse();
    }

    @Test
    void aUuidInTheConfigurationMeansTheDomainWhateverItsName() {
        GuestAddress.Libvirt byId = new GuestAddress.Libvirt(ADDRESS.uri(), ID.toString());
        List<DomainEntry> listing = List.of(new DomainEntry("renamed", ID, 3, true));
        FollowedDomain found = FollowedDomain.first(byId, listing);
        assertThat(found.state()).isEqualTo(GuestState.RUNNING);
        assertThat(found.isNamed("renamed")).isTrue();
    }
}
