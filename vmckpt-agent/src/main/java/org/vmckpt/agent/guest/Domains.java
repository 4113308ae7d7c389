package org.vmckpt.agent.guest;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.agent.config.AgentConfig;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.libvirt.DomainEntry;
import org.vmckpt.core.libvirt.DomainWatch;
import org.vmckpt.cow.checkpoint.GuestAddress;

/** How the guests are that are domains of libvirt; one connection for all of them. */
final class Domains implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Domains.class);

    /** Told outside of all locks, in the order in which it happened. */
    interface Listener {
        /**
         * The QEMU that was there is gone, or cannot be reached: what is held of it is of no use.
         */
        void ended(String guest);

        void changed(String guest, GuestState before, GuestState now);
    }

    private final Listener listener;

    /** These are guarded by this object. */
    private final Map<String, FollowedDomain> guests = new TreeMap<>();

    private @Nullable DomainWatch watch;

    /** The last list; null while libvirtd is not known to answer. */
    private @Nullable List<DomainEntry> listing;

    Domains(Listener listener) {
        this.listener = listener;
    }

    /** Follows the domains of a configuration, and no others. */
    void configure(AgentConfig config) {
        Map<String, GuestAddress.Libvirt> wanted = new TreeMap<>();
        config.guests()
                .forEach((name, guest) -> {
                    if (guest.address() instanceof GuestAddress.Libvirt domain) {
                        wanted.put(name, domain);
                    }
                });
        Optional<String> uri = wanted.values().stream().map(GuestAddress.Libvirt::uri).findFirst();
        DomainWatch old = null;
        synchronized (this) {
            guests.entrySet()
                    .removeIf(it -> !it.getValue().address().equals(wanted.get(it.getKey())));
            if (watch != null && !uri.equals(Optional.of(watch.uri()))) {
                old = watch;
                watch = null;
                listing = null;
            }
        }
        if (old != null) {
            old.close();
        }
        synchronized (this) {
            wanted.forEach((name, address) ->
                    guests.computeIfAbsent(name, _ -> FollowedDomain.first(address, listing)));
            if (watch == null && uri.isPresent()) {
                watch = DomainWatch.start(uri.get(), new Watching(uri.get()));
            }
        }
    }

    /** Somebody knows of a change. */
    synchronized void look() {
        if (watch != null) {
            watch.look();
        }
    }

    /** The guest that is the domain of this name or UUID. */
    synchronized Optional<String> guestOf(String nameOrUuid) {
        return guests.entrySet().stream()
                .filter(it -> it.getValue().isNamed(nameOrUuid))
                .map(Map.Entry::getKey)
                .findFirst();
    }

    /** Empty for a guest that is no domain. */
    synchronized Optional<GuestState> state(String guest) {
        return Optional.ofNullable(guests.get(guest)).map(FollowedDomain::state);
    }

    /** The domain as it was last seen. */
    synchronized Optional<DomainEntry> find(String guest) {
        return Optional.ofNullable(guests.get(guest)).flatMap(FollowedDomain::last);
    }

    /** Whether libvirtd answers; empty when no guest is a domain. */
    synchronized Optional<Boolean> answers() {
        return watch == null ? Optional.empty() : Optional.of(listing != null);
    }

    /** Takes what the watch says in, and returns what there is to tell. */
    private synchronized List<Runnable> update(@Nullable List<DomainEntry> now) {
        List<Runnable> news = new ArrayList<>();
        listing = now;
        guests.replaceAll((name, before) -> {
            FollowedDomain after = now == null ? before.unreachable() : before.seen(now);
            if (after.endedSince(before)) {
                news.add(() -> listener.ended(name));
            }
            if (after.state() != before.state()) {
                news.add(() -> listener.changed(name, before.state(), after.state()));
            }
            return after;
        });
        return news;
    }

    private synchronized List<String> in(GuestState state) {
        return guests.entrySet().stream()
                .filter(it -> it.getValue().state() == state)
                .map(Map.Entry::getKey)
                .toList();
    }

    @Override
    public void close() {
        DomainWatch open;
        synchronized (this) {
            open = watch;
            watch = null;
        }
        if (open != null) {
            open.close();
        }
    }

    /** Hears one watch; the agent has one at a time. */
    private final class Watching implements DomainWatch.Listener {
        private final String uri;

        /** Of the watch's thread; each loss is said once, however often it is tried again. */
        private boolean answered;

        private boolean said;

        Watching(String uri) {
            this.uri = uri;
        }

        @Override
        public void listed(List<DomainEntry> domains) {
            List<Runnable> news = update(domains);
            if (!answered) {
                LOG.info(
                        "libvirt at {} answers: it has {} domains; of the guests {} run, and it"
                                + " does not have {}",
                        uri,
                        domains.size(),
                        in(GuestState.RUNNING).size(),
                        in(GuestState.MISSING));
            }
            answered = true;
            said = false;
            news.forEach(Runnable::run);
        }

        @Override
        public void lost(VmckptException why) {
            List<Runnable> news = update(null);
            if (!said) {
                LOG.warn(
                        "libvirt at {} does not answer; its guests are left alone until it does:"
                                + " {}",
                        uri,
                        why.getMessage());
            }
            answered = false;
            said = true;
            news.forEach(Runnable::run);
        }
    }
}
