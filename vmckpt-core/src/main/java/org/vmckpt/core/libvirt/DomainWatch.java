package org.vmckpt.core.libvirt;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.libvirt.event.DomainEventType;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;

/**
 * Knows all domains of one libvirtd, over one connection and in one thread, however many they are.
 *
 * <p>libvirt's events say when to look; what is true is in the list that is read then. So an event
 * that was lost, or that this version of libvirt does not send, costs half a minute and no more.
 * When libvirtd goes away it is tried again and again, at first at once, then every few seconds.
 */
public final class DomainWatch implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(DomainWatch.class);

    private static final Duration LOOK_INTERVAL = Duration.ofSeconds(30);
    private static final Duration ALIVE_INTERVAL = Duration.ofSeconds(1);
    private static final Duration FIRST_REST = Duration.ofMillis(200);
    private static final Duration LONGEST_REST = Duration.ofSeconds(10);
    private static final long END_MILLIS = 2000;

    /** Who is told, in the thread of the watch. */
    public interface Listener {
        /** All domains, whenever something may have changed. */
        void listed(List<DomainEntry> domains);

        /** Nothing is known any more, until the next list; told again at each attempt. */
        void lost(VmckptException why);
    }

    private final String uri;
    private final Listener listener;
    private final Thread thread;

    /** Of the thread alone. */
    private Duration rest = FIRST_REST;

    /** These are guarded by this object. */
    private boolean closed;

    private boolean wanted;
    private boolean someStand;

    private DomainWatch(String uri, Listener listener) {
        this.uri = uri;
        this.listener = listener;
        // It waits in native code of libvirt.
        this.thread = Thread.ofPlatform().name("libvirt-watch").daemon().unstarted(this::run);
    }

    /** Returns at once; the first list, or why there is none, comes later. */
    public static DomainWatch start(String uri, Listener listener) {
        DomainWatch watch = new DomainWatch(uri, listener);
        watch.thread.start();
        return watch;
    }

    public String uri() {
        return uri;
    }

    /** Has the list read again soon, for somebody knows of a change. */
    public synchronized void look() {
        wanted = true;
        notifyAll();
    }

    private void run() {
        while (!isClosed()) {
            try (LibvirtHost host = LibvirtHost.connect(uri)) {
                follow(host);
            } catch (VmckptException e) {
                lost(e);
            } catch (RuntimeException e) {
                LOG.error("following the domains of {} met a bug", uri, e);
                lost(new TransportException("following the domains of " + uri + ": " + e, e));
            }
        }
    }

    private void lost(VmckptException why) {
        if (!isClosed()) {
            listener.lost(why);
            await(rest);
            Duration longer = rest.multipliedBy(2);
            rest = longer.compareTo(LONGEST_REST) < 0 ? longer : LONGEST_REST;
        }
    }

    private void follow(LibvirtHost host) throws VmckptException {
        DomainTable table = new DomainTable(host);
        try (LibvirtHost.Subscription _ = table.subscribe(this::happened)) {
            while (!isClosed()) {
                synchronized (this) {
                    wanted = false;
                }
                List<DomainEntry> domains = table.read();
                rest = FIRST_REST;
                synchronized (this) {
                    someStand = domains.stream().anyMatch(it -> it.isActive() && !it.executes());
                }
                if (!isClosed()) {
                    listener.listed(domains);
                    awaitReason(host);
                }
            }
        }
    }

    /** On the thread of libvirt's events. */
    private synchronized void happened(DomainEventType type) {
        boolean matters =
                switch (type) {
                    case STARTED, STOPPED, DEFINED, UNDEFINED, UNKNOWN -> true;
                    // Each of our checkpoints has one; it tells something of a start alone.
                    case RESUMED -> someStand;
                    case SUSPENDED, SHUTDOWN, PMSUSPENDED, CRASHED -> false;
                };
        if (matters) {
            look();
        }
    }

    private void awaitReason(LibvirtHost host) throws TransportException {
        long end = System.nanoTime() + LOOK_INTERVAL.toNanos();
        while (System.nanoTime() < end && !await(ALIVE_INTERVAL)) {
            if (!host.isAlive()) {
                throw new TransportException(
                        "following the domains of "
                                + uri
                                + ": libvirtd closed the connection; it ended, or hangs");
            }
        }
    }

    /** Returns true early when somebody wants a look, or the end. */
    private synchronized boolean await(Duration limit) {
        long end = System.nanoTime() + limit.toNanos();
        try {
            for (long left = limit.toNanos();
                    left > 0 && !wanted && !closed;
                    left = end - System.nanoTime()) {
                TimeUnit.NANOSECONDS.timedWait(this, left);
            }
        } catch (InterruptedException e) {
            closed = true;
            Thread.currentThread().interrupt();
        }
        return wanted || closed;
    }

    private synchronized boolean isClosed() {
        return closed;
    }

    /** A thread that hangs in libvirt is left behind. */
    @Override
    public void close() {
        synchronized (this) {
            closed = true;
            notifyAll();
        }
        try {
            thread.join(END_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
