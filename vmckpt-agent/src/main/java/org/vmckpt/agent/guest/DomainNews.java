package org.vmckpt.agent.guest;

import java.util.Optional;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

/** Has guests let go whose domains have ended, and tells of those that come and go. */
record DomainNews(Function<String, Optional<GuestWorker>> workers, CheckpointObserver observer)
        implements Domains.Listener {
    private static final Logger LOG = LoggerFactory.getLogger(DomainNews.class);

    @Override
    public void ended(String guest) {
        workers.apply(guest).ifPresent(GuestWorker::ended);
    }

    @Override
    public void changed(String guest, GuestState before, GuestState now) {
        // That libvirtd goes and comes is said once, and not for each of a hundred guests.
        if (before != GuestState.UNKNOWN && now != GuestState.UNKNOWN) {
            try (var _ = MDC.putCloseable("guest", guest)) {
                LOG.info("its domain is {}; it was {}", now.text(), before.text());
            }
        }
        observer.stateChanged();
    }
}
