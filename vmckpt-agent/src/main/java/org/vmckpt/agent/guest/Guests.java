package org.vmckpt.agent.guest;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.cow.hook.HookSettings;

/** The guests of the configuration, each with its worker; others by their monitor's path. */
public final class Guests implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Guests.class);
    private static final Duration RELEASE_PATIENCE = Duration.ofSeconds(10);

    private final Store store;
    private final Jobs jobs;
    private final CheckpointObserver observer;
    private final TrackingNote note;
    private final Domains domains;

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
        this.observer = new NotingObserver(observer, this::writeNote);
        this.note = new TrackingNote(noteFile);
        this.domains = new Domains(new DomainNews(this::find, observer));
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
        domains.configure(config);
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
     * What libvirt's hook tells of a domain. One that has ended is let go at once, and not by the
     * next checkpoint that fails. What is true is asked of libvirt, when the hook has ended.
     *
     * @return the guest that is this domain, or has its name and a monitor that is ours
     */
    public Optional<String> domainChanged(String domain, LibvirtOperation operation) {
        Optional<String> guest = domains.guestOf(domain).or(() -> Optional.of(domain));
        Optional<GuestWorker> worker = guest.flatMap(this::find);
        if (operation.ends()) {
            worker.ifPresent(GuestWorker::ended);
        }
        domains.look();
        return worker.map(it -> it.guest().name());
    }

    /**
     * The guest that is a domain of libvirt.
     *
     * @throws NotFoundException when it is not in the configuration
     */
    public String ofDomain(String nameOrUuid) throws NotFoundException {
        return domains.guestOf(nameOrUuid)
                .orElseThrow(() ->
                        new NotFoundException(
                                "find domain "
                                        + nameOrUuid
                                        + ": no guest of the agent's configuration is it; add one,"
                                        + " or do it without the agent (--agent none)"));
    }

    /** Whether it is a domain that does not run, as far as is known: its schedules wait. */
    public boolean rests(String guest) {
        return domains.state(guest).filter(it -> it != GuestState.RUNNING).isPresent();
    }

    /** Whether libvirtd answers; empty when no guest is a domain. */
    public Optional<Boolean> libvirtAnswers() {
        return domains.answers();
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

    private synchronized Optional<GuestWorker> find(String name) {
        return Optional.ofNullable(workers.get(name));
    }

    private synchronized GuestWorker worker(String name) throws NotFoundException {
        return find(name)
                .orElseThrow(() ->
                        new NotFoundException(
                                "find guest "
                                        + name
                                        + ": it is not in the agent's configuration, which has "
                                        + workers.keySet()));
    }

    /**
     * The name of the guest with this monitor.
     *
     * @param make makes a guest that is not known, for as long as the agent runs
     */
    public synchronized Optional<String> nameOf(Path monitor, boolean make) {
        GuestAddress.Qmp address = new GuestAddress.Qmp(monitor);
        for (GuestWorker worker : workers.values()) {
            if (worker.guest().address().equals(address)) {
                return Optional.of(worker.guest().name());
            }
        }
        if (!make) {
            return Optional.empty();
        }
        AgentConfig.Guest guest = AgentConfig.Guest.unnamed(address);
        workers.put(guest.name(), newWorker(guest));
        return Optional.of(guest.name());
    }

    public List<GuestView> list() {
        return views().of(workers());
    }

    public GuestView show(String name) throws NotFoundException {
        return views().of(List.of(worker(name))).getFirst();
    }

    private synchronized GuestViews views() {
        return new GuestViews(domains, schedules.values());
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
        domains.close();
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
}
