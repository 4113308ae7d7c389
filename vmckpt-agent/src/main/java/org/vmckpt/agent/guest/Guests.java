package org.vmckpt.agent.guest;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;
import org.vmckpt.agent.config.AgentConfig;
import org.vmckpt.agent.job.Job;
import org.vmckpt.agent.job.Jobs;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.DiskIo;
import org.vmckpt.cow.hook.HookSettings;

/** The guests of the configuration, each with its worker; others by their monitor's path. */
public final class Guests implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Guests.class);
    private static final Duration RELEASE_PATIENCE = Duration.ofSeconds(10);

    private final Store store;
    private final Jobs jobs;
    private final CheckpointObserver observer;
    private final TrackingNote note;

    /** Guarded by this object. */
    private final Map<String, GuestWorker> workers = new TreeMap<>();

    private Map<String, AgentConfig.Schedule> schedules = Map.of();

    private volatile HookSettings hooks = HookSettings.NONE;

    /**
     * Knows no guest yet.
     *
     * @param noteFile what is tracked, for the next agent
     */
    public Guests(Store store, Jobs jobs, CheckpointObserver observer, Path noteFile) {
        this.store = store;
        this.jobs = jobs;
        this.observer = new Noting(observer);
        this.note = new TrackingNote(noteFile);
    }

    /** Takes over what a killed agent left. */
    public void start(AgentConfig config) {
        Map<String, String> lost = note.read();
        configure(config);
        for (GuestWorker worker : workers()) {
            String since = lost.get(worker.guest().name());
            if (since != null) {
                String why =
                        "the last agent was killed: what the guest wrote since checkpoint "
                                + since
                                + " was not tracked, so its next checkpoint reads all of memory";
                worker.lostTracking(why);
                try (var _ = MDC.putCloseable("guest", worker.guest().name())) {
                    LOG.warn("tracking lost: {}", why);
                }
            }
        }
        writeNote();
    }

    /** Makes and ends workers; a guest that did not change stays tracked. */
    public void configure(AgentConfig config) {
        List<GuestWorker> gone = new ArrayList<>();
        hooks = config.hooks();
        synchronized (this) {
            schedules = config.schedules();
            workers.values()
                    .removeIf(worker -> {
                        AgentConfig.Guest now = config.guests().get(worker.guest().name());
                        boolean stays = worker.guest().equals(now);
                        if (!stays) {
                            gone.add(worker);
                        }
                        return !stays;
                    });
        }
        // Before their successors want the monitor.
        gone.forEach(worker -> worker.close(RELEASE_PATIENCE));
        synchronized (this) {
            config.guests()
                    .forEach((name, guest) -> workers.computeIfAbsent(name, _ -> newWorker(guest)));
        }
    }

    private GuestWorker newWorker(AgentConfig.Guest guest) {
        return new GuestWorker(guest, store, jobs, observer, () -> hooks);
    }

    private synchronized List<GuestWorker> workers() {
        return List.copyOf(workers.values());
    }

    public Job checkpoint(String guest, CheckpointOrder order, Optional<String> schedule)
            throws VmckptException {
        return worker(guest).checkpoint(order, schedule);
    }

    /** One of a schedule, now. */
    public Job runSchedule(String name) throws VmckptException {
        AgentConfig.Schedule schedule;
        synchronized (this) {
            schedule = schedules.get(name);
        }
        if (schedule == null) {
            throw new NotFoundException("find schedule " + name + ": it is not configured");
        }
        return checkpoint(schedule.guest(), CheckpointOrder.of(schedule), Optional.of(name));
    }

    /**
     * What libvirt does with a domain. One that has ended is let go at once, and not by the next
     * checkpoint that fails.
     *
     * @return the guest of that name, if there is one
     */
    public Optional<String> domainChanged(String domain, LibvirtOperation operation) {
        Optional<GuestWorker> worker =
                workers().stream().filter(it -> it.isDomain(domain)).findFirst();
        if (operation.ends()) {
            worker.ifPresent(GuestWorker::ended);
        }
        return worker.map(it -> it.guest().name());
    }

    public Job release(String guest) throws VmckptException {
        return worker(guest).release();
    }

    /**
     * Lets a guest go for as long as another process works on it.
     *
     * @param borrower its pid
     */
    public Job lend(String guest, long borrower) throws VmckptException {
        return worker(guest).lend(borrower);
    }

    private synchronized GuestWorker worker(String name) throws NotFoundException {
        GuestWorker worker = workers.get(name);
        if (worker == null) {
            throw new NotFoundException(
                    "find guest "
                            + name
                            + ": it is not in the agent's configuration, which has "
                            + workers.keySet());
        }
        return worker;
    }

    /**
     * The name of the guest with this monitor.
     *
     * @param make makes a guest that is not known, for as long as the agent runs
     */
    public synchronized Optional<String> nameOf(Path monitor, boolean make) {
        for (GuestWorker worker : workers.values()) {
            if (worker.guest().monitor().equals(monitor)) {
                return Optional.of(worker.guest().name());
            }
        }
        if (!make) {
            return Optional.empty();
        }
        AgentConfig.Guest guest =
                new AgentConfig.Guest(
                        "qmp:" + monitor,
                        monitor,
                        false,
                        OptionalLong.empty(),
                        CheckpointRequest.DEFAULT_DRAIN_TIMEOUT,
                        DiskIo.AUTO,
                        Optional.empty());
        workers.put(guest.name(), newWorker(guest));
        return Optional.of(guest.name());
    }

    public List<GuestView> list() {
        Set<String> listening = Monitors.listening();
        return workers().stream().map(worker -> view(worker, listening)).toList();
    }

    public GuestView find(String name) throws NotFoundException {
        return view(worker(name), Monitors.listening());
    }

    private synchronized GuestView view(GuestWorker worker, Set<String> listening) {
        String name = worker.guest().name();
        List<String> own =
                schedules.values().stream()
                        .filter(schedule -> schedule.guest().equals(name))
                        .map(AgentConfig.Schedule::name)
                        .toList();
        return worker.view(listening.contains(worker.guest().monitor().toString()), own);
    }

    private void writeNote() {
        Map<String, CheckpointId> tracked = new TreeMap<>();
        for (GuestWorker worker : workers()) {
            worker.trackedSince().ifPresent(since -> tracked.put(worker.guest().name(), since));
        }
        note.write(tracked);
    }

    /** Lets all guests go; call it when no job runs any more. */
    @Override
    public void close() {
        List<Thread> ending =
                workers().stream()
                        .map(worker ->
                                Thread.startVirtualThread(() -> worker.close(RELEASE_PATIENCE)))
                        .toList();
        for (Thread thread : ending) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
        writeNote();
    }

    /** Writes the note, and tells the observer of the rest. */
    private final class Noting implements CheckpointObserver {
        private final CheckpointObserver next;

        Noting(CheckpointObserver next) {
            this.next = next;
        }

        @Override
        public void taken(String guest, Optional<String> schedule, CheckpointReport report) {
            next.taken(guest, schedule, report);
        }

        @Override
        public void failed(String guest, Optional<String> schedule, VmckptException failure) {
            next.failed(guest, schedule, failure);
        }

        @Override
        public void trackingChanged() {
            writeNote();
            next.trackingChanged();
        }
    }
}
