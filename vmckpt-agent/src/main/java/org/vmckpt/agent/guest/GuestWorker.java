package org.vmckpt.agent.guest;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;
import org.vmckpt.agent.config.AgentConfig;
import org.vmckpt.agent.guest.GuestView.Failure;
import org.vmckpt.agent.job.Job;
import org.vmckpt.agent.job.JobKind;
import org.vmckpt.agent.job.Jobs;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.ErrorKind;
import org.vmckpt.core.Json;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointSeries;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.ReleaseService;
import org.vmckpt.cow.hook.HookSettings;
import org.vmckpt.cow.hook.Hooks;

/** All jobs of one guest, in one thread; between checkpoints it keeps the guest tracked. */
final class GuestWorker {
    private static final Logger LOG = LoggerFactory.getLogger(GuestWorker.class);

    /** Each checkpoint says which series it belongs to, so this name is never seen. */
    private static final String NO_SERIES = "";

    private final AgentConfig.Guest guest;
    private final Store store;
    private final Jobs jobs;
    private final CheckpointObserver observer;
    private final Supplier<HookSettings> hooks;
    private final ExecutorService thread;

    /** Only the thread changes it. */
    private volatile @Nullable CheckpointSeries series;

    private volatile Optional<CheckpointId> trackedSince = Optional.empty();
    private volatile Optional<String> trackingLost = Optional.empty();
    private volatile Optional<Failure> lastFailure = Optional.empty();

    GuestWorker(
            AgentConfig.Guest guest,
            Store store,
            Jobs jobs,
            CheckpointObserver observer,
            Supplier<HookSettings> hooks) {
        this.hooks = hooks;
        this.guest = guest;
        this.store = store;
        this.jobs = jobs;
        this.observer = observer;
        this.thread = WorkerThread.of(guest.name());
    }

    AgentConfig.Guest guest() {
        return guest;
    }

    Job checkpoint(CheckpointOrder order, Optional<String> schedule) throws ConflictException {
        return jobs.submit(
                JobKind.CHECKPOINT,
                guest.name(),
                schedule,
                thread,
                job -> checkpoint(order, schedule, job));
    }

    /** The guest's QEMU has ended, or cannot be reached; returns at once. */
    void ended() {
        if (series != null) {
            try {
                thread.execute(this::letGo);
            } catch (RejectedExecutionException e) {
                // It is no longer in the configuration, and being let go.
            }
        }
    }

    Job release() throws ConflictException {
        return jobs.submit(JobKind.RELEASE, guest.name(), Optional.empty(), thread, this::release);
    }

    Job lend(long borrower) throws ConflictException {
        return jobs.submit(
                JobKind.LEND, guest.name(), Optional.empty(), thread, job -> lend(borrower, job));
    }

    /** Its next job waits until the job is cancelled, or the borrower has ended. */
    private JsonNode lend(long borrower, Job job) {
        letGo();
        Lending.until(borrower, job);
        return Json.MAPPER.createObjectNode();
    }

    private JsonNode checkpoint(CheckpointOrder order, Optional<String> schedule, Job job)
            throws VmckptException {
        try {
            CheckpointReport report = take(order, schedule, job);
            trackingLost = Optional.empty();
            lastFailure = Optional.empty();
            try (var _ = MDC.putCloseable("checkpoint", report.manifest().id().toString())) {
                LOG.info(
                        "checkpoint taken: pause {} us, {} bytes stored, durable after {} ms",
                        report.pause().totalMicros(),
                        report.storedBytes(),
                        report.durableMillis());
                report.warnings().forEach(warning -> LOG.warn("checkpoint: {}", warning));
            }
            observer.taken(guest.name(), schedule, report);
            return Json.MAPPER.valueToTree(report);
        } catch (VmckptException e) {
            lastFailure =
                    Optional.of(
                            new Failure(
                                    Instant.now(),
                                    ErrorKind.of(e),
                                    String.valueOf(e.getMessage())));
            observer.failed(guest.name(), schedule, e);
            throw e;
        } finally {
            CheckpointSeries open = series;
            setTrackedSince(open == null ? Optional.empty() : open.trackedSince());
        }
    }

    private CheckpointReport take(CheckpointOrder order, Optional<String> schedule, Job job)
            throws VmckptException {
        Hooks told = new Hooks(hooks.get(), Map.of("agentGuest", guest.name()));
        CheckpointRequest request = order.request(guest, store).withHooks(told);
        if (guest.track() && order.fitsTracking()) {
            try {
                return tracked(request, schedule, job);
            } catch (UnsupportedException e) {
                letGo();
                if (order.engine().isPresent()) {
                    throw e;
                }
                LOG.warn("its memory cannot be tracked: {}", e.getMessage());
            } catch (VmckptException e) {
                // The guest may have ended; the next checkpoint looks for it anew.
                letGo();
                throw e;
            }
        }
        letGo();
        return CheckpointService.checkpoint(request, schedule, job.progress(), job.cancellation());
    }

    private CheckpointReport tracked(CheckpointRequest request, Optional<String> schedule, Job job)
            throws VmckptException {
        CheckpointSeries open = series;
        if (open == null) {
            open = CheckpointSeries.open(request, NO_SERIES);
            series = open;
        }
        return open.take(request, schedule, job.progress(), job.cancellation());
    }

    private JsonNode release(Job job) throws VmckptException {
        letGo();
        int released = ReleaseService.release(guest.address(), job.progress());
        return Json.MAPPER.valueToTree(Map.of("releasedOverlays", released));
    }

    private void letGo() {
        CheckpointSeries open = series;
        if (open != null) {
            series = null;
            open.close();
        }
        setTrackedSince(Optional.empty());
    }

    private void setTrackedSince(Optional<CheckpointId> since) {
        if (!trackedSince.equals(since)) {
            trackedSince = since;
            observer.trackingChanged();
        }
    }

    Optional<CheckpointId> trackedSince() {
        return trackedSince;
    }

    /** Told at the start of the agent, when the one before it did not let the guest go. */
    void lostTracking(String why) {
        trackingLost = Optional.of(why);
    }

    GuestView view(
            GuestState state,
            String monitor,
            Optional<GuestView.Domain> domain,
            List<String> schedules) {
        return new GuestView(
                guest.name(),
                monitor,
                state == GuestState.RUNNING,
                state,
                domain,
                trackedSince,
                trackingLost,
                schedules,
                lastFailure);
    }

    /** Lets the guest go after the jobs that it has; they see that they are cancelled. */
    void close(Duration patience) {
        thread.execute(this::letGo);
        thread.shutdown();
        try {
            if (!thread.awaitTermination(patience.toMillis(), TimeUnit.MILLISECONDS)) {
                LOG.warn(
                        "guest {}: its job did not end in time; the next checkpoint cleans up",
                        guest.name());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
