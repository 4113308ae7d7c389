package org.vmckpt.agent.api;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.vmckpt.agent.job.Job;
import org.vmckpt.agent.job.JobKind;
import org.vmckpt.agent.job.JobState;
import org.vmckpt.agent.job.JobView;
import org.vmckpt.agent.metrics.AgentMetrics;
import org.vmckpt.agent.schedule.Scheduler;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.Json;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.CheckpointListing;
import org.vmckpt.core.store.StoreSize;

/** All endpoints. */
final class Resources {
    static final String DESCRIPTION = "openapi.yaml";

    private final ApiContext context;

    private Resources(ApiContext context) {
        this.context = context;
    }

    static Routes routes(ApiContext context) {
        Resources resources = new Resources(context);
        Routes routes = new Routes();
        WebPage.addTo(routes);
        VolumeResources.addTo(routes, context);
        return routes.add("GET", "/v1/health", resources::health)
                .add("GET", "/v1/openapi.yaml", _ -> description())
                .add("GET", "/metrics", resources::metrics)
                .add("GET", "/v1/store", _ -> Answer.ok(StoreSize.of(context.store())))
                .add("GET", "/v1/guests", resources::guests)
                .add("GET", "/v1/guests/{name}", resources::guest)
                .add("GET", "/v1/checkpoints", resources::checkpoints)
                .add("GET", "/v1/checkpoints/{checkpoint}", resources::checkpoint)
                .add("DELETE", "/v1/checkpoints/{checkpoint}", resources::remove)
                .add("GET", "/v1/jobs", resources::jobs)
                .add("POST", "/v1/jobs", resources::submit)
                .add("GET", "/v1/jobs/{job}", resources::job)
                .add("DELETE", "/v1/jobs/{job}", resources::cancel)
                .add("GET", "/v1/jobs/{job}/events", resources::events)
                .add("GET", "/v1/schedules", resources::schedules)
                .add("POST", "/v1/schedules/{schedule}/run", resources::runSchedule)
                .add(
                        "POST",
                        "/v1/libvirt/events",
                        call -> LibvirtEvents.answer(call, resources.context.guests()));
    }

    private Answer health(Call call) throws VmckptException {
        Map<String, Object> health = new LinkedHashMap<>();
        health.put("status", "ok");
        health.put("startedAt", context.startedAt());
        health.put("store", context.store().directory().toString());
        health.put("jobsRunning", context.jobs().count(JobState.RUNNING));
        health.put("jobsWaiting", context.jobs().count(JobState.WAITING));
        health.put("user", call.peer().name());
        return Answer.ok(health);
    }

    private static Answer description() {
        try (InputStream in = Resources.class.getResourceAsStream(DESCRIPTION)) {
            byte[] bytes = Objects.requireNonNull(in, DESCRIPTION).readAllBytes();
            return Answer.text("application/yaml", new String(bytes, StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private Answer metrics(Call call) {
        return new Answer.Whole(200, AgentMetrics.CONTENT_TYPE, context.metrics().text());
    }

    private Answer guests(Call call) {
        return Answer.ok(Map.of("guests", context.guests().list()));
    }

    private Answer guest(Call call) throws VmckptException {
        return Answer.ok(context.guests().show(call.parameter("name")));
    }

    private Answer checkpoints(Call call) throws VmckptException {
        CheckpointListing listing = CheckpointListing.of(context.store());
        Optional<String> guest = call.query("guest");
        return Answer.ok(guest.isEmpty() ? listing : listing.ofGuest(guest.get()));
    }

    private Answer checkpoint(Call call) throws VmckptException {
        return Answer.ok(context.store().find(call.parameter("checkpoint")));
    }

    private Answer remove(Call call) throws VmckptException {
        Manifest manifest = context.store().find(call.parameter("checkpoint"));
        return Answer.ok(context.store().remove(manifest.id()));
    }

    private Answer jobs(Call call) {
        List<JobView> views = context.jobs().list().stream().map(Job::view).toList();
        return Answer.ok(Map.of("jobs", views));
    }

    private Answer submit(Call call) throws VmckptException, BadRequestException {
        JobRequest wanted = call.body(JobRequest.class);
        if (wanted.agentSocket().isPresent() && !call.peer().root()) {
            throw new RefusedException(
                    "use a guest agent's socket: only root may name one; set guest-agent in the"
                            + " agent's configuration");
        }
        Job job =
                switch (wanted.kind().orElse("")) {
                    case "checkpoint" ->
                            context.guests()
                                    .checkpoint(
                                            guestName(wanted, call.peer()),
                                            wanted.order(),
                                            Optional.empty());
                    case "release" -> context.guests().release(guestName(wanted, call.peer()));
                    case "lend" -> lend(wanted, call.peer());
                    case "verify" -> verify(wanted);
                    default -> throw JobRequest.bad("kind", "checkpoint, release, lend or verify");
                };
        return Answer.json(202, job.view());
    }

    /** Root does alone what the guest is lent for. */
    private Job lend(JobRequest wanted, Peer peer) throws VmckptException, BadRequestException {
        if (!peer.root()) {
            throw new RefusedException("borrow a guest of the agent: only root may");
        }
        long pid = wanted.pid().orElseThrow(() -> JobRequest.bad("pid", "the borrower's"));
        return context.guests().lend(guestName(wanted, peer), pid);
    }

    private String guestName(JobRequest wanted, Peer peer)
            throws VmckptException, BadRequestException {
        String reference = wanted.guest().orElse("");
        if (reference.isEmpty()) {
            throw JobRequest.bad("guest", "a guest of the configuration");
        }
        if (reference.startsWith(JobRequest.LIBVIRT)) {
            return context.guests().ofDomain(reference.substring(JobRequest.LIBVIRT.length()));
        }
        if (!reference.startsWith(JobRequest.QMP)) {
            return reference;
        }
        return context.guests()
                .nameOf(JobRequest.monitor(reference), peer.root())
                .orElseThrow(() ->
                        new RefusedException(
                                "use the guest "
                                        + reference
                                        + ": it is not in the agent's configuration, and only root"
                                        + " may name a guest by its socket"));
    }

    private Job verify(JobRequest wanted) throws VmckptException, BadRequestException {
        if (wanted.checkpoint().isEmpty()) {
            throw JobRequest.bad("checkpoint", "the id or name of a checkpoint");
        }
        Manifest manifest = context.store().find(wanted.checkpoint().get());
        return context.jobs()
                .submit(
                        JobKind.VERIFY,
                        manifest.id().toString(),
                        Optional.empty(),
                        work -> Thread.ofPlatform().daemon().name("verify").start(work),
                        job ->
                                Json.MAPPER.valueToTree(
                                        context.store()
                                                .verify(
                                                        manifest,
                                                        job.cancellation()
                                                                .guarding(job.progress()))));
    }

    private Answer job(Call call) throws NotFoundException {
        return Answer.ok(context.jobs().find(call.parameter("job")).view());
    }

    private Answer cancel(Call call) throws NotFoundException {
        Job job = context.jobs().find(call.parameter("job"));
        job.cancel();
        return Answer.json(202, job.view());
    }

    private Answer events(Call call) throws NotFoundException {
        return new Answer.Events(context.jobs().find(call.parameter("job")));
    }

    private Answer schedules(Call call) {
        return Answer.ok(Map.of("schedules", context.scheduler().list()));
    }

    private Answer runSchedule(Call call) throws VmckptException {
        String name = call.parameter("schedule");
        Scheduler.View schedule =
                context.scheduler().list().stream()
                        .filter(view -> view.name().equals(name))
                        .findFirst()
                        .orElseThrow(() ->
                                new NotFoundException(
                                        "find schedule " + name + ": it is not configured"));
        if (schedule.underWay()) {
            throw new ConflictException("run schedule " + name + ": it is under way");
        }
        Job job = context.guests().runSchedule(name);
        return Answer.json(202, job.view());
    }
}
