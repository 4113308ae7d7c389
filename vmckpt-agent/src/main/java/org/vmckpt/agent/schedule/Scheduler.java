package org.vmckpt.agent.schedule;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.agent.config.AgentConfig;
import org.vmckpt.agent.job.Job;
import org.vmckpt.agent.job.JobState;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.VmckptException;

/**
 * Has checkpoints taken when they are due, in a thread of its own, which never does anything that
 * takes long. A schedule whose last checkpoint is still under way waits for its end.
 */
public final class Scheduler implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Scheduler.class);
    private static final Duration REST_AFTER_FAILURE = Duration.ofSeconds(10);
    private static final Duration LONGEST_NAP = Duration.ofSeconds(1);

    /** How precise an interval of 100 ms can be. */
    private static final Duration SHORTEST_NAP = Duration.ofMillis(5);

    /** What the scheduler needs of the rest of the agent. */
    public interface Host {
        Job checkpoint(AgentConfig.Schedule schedule) throws VmckptException;

        /** When the newest checkpoint of the schedule's series was taken, as the store says. */
        Optional<Instant> lastTaken(AgentConfig.Schedule schedule) throws VmckptException;

        /** Whether its guest is known not to run: then nothing is tried. */
        boolean rests(AgentConfig.Schedule schedule);

        /** The loop has come round: it lives. */
        void alive();
    }

    private final Host host;
    private final Clock clock;
    private final Thread thread;

    /** These are guarded by this object. */
    private final Map<String, Entry> entries = new TreeMap<>();

    private boolean closed;
    private boolean woken;

    /**
     * A schedule at one moment.
     *
     * @param lag how much later than due its last checkpoint began
     */
    public record View(
            String name,
            String guest,
            String timing,
            Instant due,
            Duration lag,
            boolean underWay) {}

    public Scheduler(Host host, Clock clock) {
        this.host = host;
        this.clock = clock;
        this.thread = Thread.ofPlatform().name("scheduler").daemon().unstarted(this::run);
    }

    public void start() {
        thread.start();
    }

    /** Follows the configuration; a schedule that did not change keeps its due time. */
    public void configure(AgentConfig config) {
        List<Entry> added = new ArrayList<>();
        for (AgentConfig.Schedule schedule : config.schedules().values()) {
            if (!has(schedule)) {
                // Reads the whole store: for new schedules only, and not under the lock.
                added.add(new Entry(schedule, firstDue(schedule)));
            }
        }
        synchronized (this) {
            entries.values()
                    .removeIf(entry ->
                            !entry.schedule.equals(config.schedules().get(entry.schedule.name())));
            added.forEach(entry -> entries.put(entry.schedule.name(), entry));
            woken = true;
            notifyAll();
        }
    }

    /** A guest has come: what waits for it may begin. */
    public synchronized void wake() {
        woken = true;
        notifyAll();
    }

    private synchronized boolean has(AgentConfig.Schedule schedule) {
        Entry entry = entries.get(schedule.name());
        return entry != null && entry.schedule.equals(schedule);
    }

    private Instant firstDue(AgentConfig.Schedule schedule) {
        Instant now = clock.instant();
        Optional<Instant> last = Optional.empty();
        try {
            last = host.lastTaken(schedule);
        } catch (VmckptException e) {
            LOG.warn(
                    "schedule {}: its last checkpoint is not known: {}",
                    schedule.name(),
                    e.getMessage());
        }
        return schedule.timing().nextAfter(last, now);
    }

    private void run() {
        try {
            while (!isClosed()) {
                for (Entry entry : snapshot()) {
                    step(entry);
                }
                host.alive();
                nap();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized boolean isClosed() {
        return closed;
    }

    private synchronized List<Entry> snapshot() {
        return new ArrayList<>(entries.values());
    }

    /** Only this thread changes an entry, and only under the lock. */
    private void step(Entry entry) {
        Instant now = clock.instant();
        Job job = entry.underWay;
        if (job != null && job.state().isEnd()) {
            synchronized (this) {
                entry.underWay = null;
                if (job.state() != JobState.DONE) {
                    entry.notBefore = now.plus(REST_AFTER_FAILURE);
                }
            }
        }
        boolean rests = host.rests(entry.schedule);
        synchronized (this) {
            entry.rested(rests, now);
        }
        if (entry.underWay == null && !rests && !entry.next().isAfter(now)) {
            begin(entry, now);
        }
    }

    private void begin(Entry entry, Instant now) {
        AgentConfig.Schedule schedule = entry.schedule;
        Duration lag = Duration.between(entry.next(), now);
        Instant next = next(schedule, entry.due, now);
        Instant notBefore = Instant.MIN;
        Job job = null;
        try {
            job = host.checkpoint(schedule);
        } catch (NotFoundException e) {
            LOG.debug("schedule {}: its guest is being replaced", schedule.name());
        } catch (VmckptException e) {
            LOG.warn("schedule {}: {}", schedule.name(), e.getMessage());
            notBefore = now.plus(REST_AFTER_FAILURE);
        }
        synchronized (this) {
            entry.notBefore = notBefore;
            entry.underWay = job;
            entry.lag = lag;
            entry.due = next;
        }
    }

    /** The next due time; what was missed is made up for by the one that begins now. */
    private static Instant next(AgentConfig.Schedule schedule, Instant due, Instant now) {
        Instant next = schedule.timing().nextAfter(Optional.of(due), now);
        return next.isAfter(now) ? next : schedule.timing().nextAfter(Optional.of(now), now);
    }

    private synchronized void nap() throws InterruptedException {
        Instant now = clock.instant();
        Duration nap = LONGEST_NAP;
        for (Entry entry : entries.values()) {
            Duration left = entry.rests ? LONGEST_NAP : Duration.between(now, entry.next());
            left = entry.underWay == null ? left : SHORTEST_NAP;
            nap = left.compareTo(nap) < 0 ? left : nap;
        }
        long end = System.nanoTime() + Math.max(SHORTEST_NAP.toNanos(), nap.toNanos());
        for (long left = end - System.nanoTime();
                left > 0 && !closed && !woken;
                left = end - System.nanoTime()) {
            TimeUnit.NANOSECONDS.timedWait(this, left);
        }
        woken = false;
    }

    /** All schedules, by name. */
    public synchronized List<View> list() {
        return entries.values().stream().map(Entry::view).toList();
    }

    @Override
    public void close() {
        synchronized (this) {
            closed = true;
            notifyAll();
        }
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
