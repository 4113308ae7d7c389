package org.vmckpt.agent.service;

import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.agent.api.ApiContext;
import org.vmckpt.agent.api.ApiServer;
import org.vmckpt.agent.config.AgentConfig;
import org.vmckpt.agent.guest.CheckpointObserver;
import org.vmckpt.agent.guest.CheckpointOrder;
import org.vmckpt.agent.guest.Guests;
import org.vmckpt.agent.job.Job;
import org.vmckpt.agent.job.JobState;
import org.vmckpt.agent.job.Jobs;
import org.vmckpt.agent.metrics.AgentMetrics;
import org.vmckpt.agent.schedule.Scheduler;
import org.vmckpt.agent.volume.Volumes;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.FreezeNote;
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.cow.memory.MemoryTracker;

/** All parts of the agent, put together. */
public final class Agent implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Agent.class);

    /** How long a stop lets running checkpoints end by themselves, and then be taken back. */
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private static final long NAP_MILLIS = 20;

    private final Deque<AutoCloseable> parts = new ArrayDeque<>();
    private final Runnable alive;
    private final Store store;
    private final Jobs jobs;
    private final AgentMetrics metrics = new AgentMetrics();
    private final StoreKeeper keeper;
    private final Guests guests;
    private final Scheduler scheduler;
    private final Volumes volumes;
    private volatile AgentConfig config;

    private Agent(AgentConfig config, Runnable alive) throws VmckptException {
        this.config = config;
        this.alive = alive;
        Path socket = config.api().socket();
        parts.push(AgentLock.acquire(socket));
        try {
            this.store = Store.openOrCreate(config.store());
            parts.push(store);
            this.jobs = new Jobs(config.limits().jobs(), config.limits().waiting());
            this.keeper = StoreKeeper.start(store);
            parts.push(keeper);
            this.guests =
                    new Guests(store, jobs, new Observer(), socket.resolveSibling("agent.json"));
            parts.push(guests);
            this.scheduler = new Scheduler(new Host(), Clock.systemUTC());
            this.volumes = Volumes.start(config, jobs);
            parts.push(volumes);
            ApiContext context =
                    new ApiContext(store, jobs, guests, scheduler, volumes, metrics, Instant.now());
            metrics.observe(context.metricSource());
            FreezeNote.thawAllLeft();
            guests.start(config);
            scheduler.configure(config);
            parts.push(ApiServer.start(config.api(), config.limits(), context));
            // Clients of the API hear how their jobs end.
            parts.push(this::endJobs);
            scheduler.start();
            parts.push(scheduler);
        } catch (VmckptException | RuntimeException e) {
            closeParts();
            throw e;
        }
    }

    /**
     * Starts the agent; returns when its API listens and its schedules run.
     *
     * @param alive is called all the time while the scheduler lives
     */
    public static Agent start(AgentConfig config, Runnable alive) throws VmckptException {
        // So that the first guest's faults meet compiled code.
        Thread.ofPlatform().name("practice").daemon().start(MemoryTracker::practise);
        return new Agent(config, alive);
    }

    /**
     * Takes on new guests, schedules, volumes and hooks; the rest needs a new start, which is said.
     */
    public void reconfigure(AgentConfig next) {
        AgentConfig now = config;
        if (!next.store().equals(now.store())
                || !next.api().equals(now.api())
                || !next.limits().equals(now.limits())) {
            LOG.warn("store, api and limits change at the next start of the agent");
        }
        AgentConfig merged =
                new AgentConfig(
                        now.store(),
                        now.api(),
                        now.limits(),
                        next.guests(),
                        next.schedules(),
                        next.volumes(),
                        next.hooks());
        config = merged;
        guests.configure(merged);
        volumes.configure(merged);
        scheduler.configure(merged);
    }

    /** For systemd, and for people who look at its status. */
    public String status() {
        return config.guests().size() + " guests, " + config.schedules().size() + " schedules";
    }

    private void endJobs() {
        jobs.close();
        if (!awaitJobs()) {
            LOG.warn("what still runs is cancelled");
            jobs.cancelAll();
            awaitJobs();
        }
    }

    private boolean awaitJobs() {
        long end = System.nanoTime() + PATIENCE.toNanos();
        try {
            while (jobs.count(JobState.RUNNING) > 0) {
                if (System.nanoTime() > end) {
                    return false;
                }
                Thread.sleep(NAP_MILLIS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return true;
    }

    /** Lets running checkpoints end, and all guests go. */
    @Override
    public void close() {
        closeParts();
    }

    private void closeParts() {
        while (!parts.isEmpty()) {
            try {
                parts.pop().close();
            } catch (Exception e) {
                LOG.warn("stopping: {}", e.toString());
            }
        }
    }

    /** What the scheduler asks of us. */
    private final class Host implements Scheduler.Host {
        @Override
        public Job checkpoint(AgentConfig.Schedule schedule) throws VmckptException {
            return guests.checkpoint(
                    schedule.guest(), CheckpointOrder.of(schedule), Optional.of(schedule.name()));
        }

        @Override
        public Optional<Instant> lastTaken(AgentConfig.Schedule schedule) throws VmckptException {
            List<Manifest> all = store.list();
            return all.stream()
                    .filter(it -> it.series().equals(Optional.of(schedule.name())))
                    .filter(it -> isOf(config.guests().get(schedule.guest()), it.guest()))
                    .map(Manifest::createdAt)
                    .max(Instant::compareTo);
        }

        @Override
        public boolean rests(AgentConfig.Schedule schedule) {
            return guests.rests(schedule.guest());
        }

        @Override
        public void alive() {
            alive.run();
        }
    }

    /** Whether a checkpoint's guest is this one; libvirt need not answer for it. */
    private static boolean isOf(
            AgentConfig.@Nullable Guest guest, Manifest.GuestDefinition definition) {
        return switch (guest == null ? null : guest.address()) {
            case null -> false;
            case GuestAddress.Qmp(Path socket) -> definition.qmpPath().equals(socket.toString());
            case GuestAddress.Libvirt address ->
                    definition.qmpPath().equalsIgnoreCase(address.toString())
                            || (definition.qmpPath().startsWith("libvirt:")
                                    && definition.name().equals(address.domain()));
        };
    }

    /** Passes on what became of checkpoints. */
    private final class Observer implements CheckpointObserver {
        @Override
        public void taken(String guest, Optional<String> schedule, CheckpointReport report) {
            metrics.taken(guest, report);
            keeper.published(
                    report.manifest(),
                    schedule.map(config.schedules()::get).flatMap(AgentConfig.Schedule::keep));
        }

        @Override
        public void failed(String guest, Optional<String> schedule, VmckptException failure) {
            metrics.failed(guest, failure);
        }

        @Override
        public void trackingChanged() {}

        @Override
        public void stateChanged() {
            scheduler.wake();
        }
    }
}
