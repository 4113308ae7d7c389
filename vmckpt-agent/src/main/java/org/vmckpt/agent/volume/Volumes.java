package org.vmckpt.agent.volume;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.agent.config.AgentConfig;
import org.vmckpt.agent.job.Job;
import org.vmckpt.agent.job.JobKind;
import org.vmckpt.agent.job.Jobs;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.VmckptException;

/**
 * Sees to it that each volume of the configuration is served, by a process of its own: the end of
 * the agent must not take a guest's disk away. When that process is killed the guest's QEMU waits
 * (reconnect-delay), and a new one is started. One that the configuration does not name any more is
 * left alone: a guest may still use it.
 */
public final class Volumes implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Volumes.class);
    private static final Duration LOOK = Duration.ofMillis(500);
    private static final int FAILURES_BEFORE_A_REST = 3;
    private static final int LOOKS_OF_A_REST = 20;

    private final Jobs jobs;
    private final ScheduledExecutorService thread =
            Executors.newSingleThreadScheduledExecutor(
                    Thread.ofPlatform().name("volumes").daemon().factory());

    /** Replaced, never changed. */
    private volatile Map<String, ServedVolume> volumes = Map.of();

    /** Of the thread alone: how often in a row each could not be served. */
    private final Map<String, Integer> failures = new TreeMap<>();

    private long looks;

    private Volumes(Jobs jobs) {
        this.jobs = jobs;
    }

    /** Serves them from now on; returns at once. */
    public static Volumes start(AgentConfig config, Jobs jobs) {
        Volumes started = new Volumes(jobs);
        started.configure(config);
        var _ =
                started.thread.scheduleWithFixedDelay(
                        started::look, 0, LOOK.toMillis(), TimeUnit.MILLISECONDS);
        return started;
    }

    public void configure(AgentConfig config) {
        Map<String, ServedVolume> old = volumes;
        Map<String, ServedVolume> next = new TreeMap<>();
        config.volumes()
                .forEach((name, volume) -> {
                    ServedVolume before = old.get(name);
                    boolean same = before != null && before.volume().equals(volume);
                    next.put(name, same ? before : new ServedVolume(volume));
                });
        old.forEach((name, volume) -> {
            if (!next.containsKey(name)) {
                LOG.info(
                        "volume {} is not configured any more; its server on {} serves on",
                        name,
                        volume.volume().socket());
            }
        });
        volumes = Map.copyOf(next);
    }

    private void look() {
        try {
            volumes.forEach(this::look);
        } catch (RuntimeException e) {
            LOG.error("looking after the volumes", e);
        }
        looks++;
    }

    private void look(String name, ServedVolume volume) {
        int failed = failures.getOrDefault(name, 0);
        if (failed < FAILURES_BEFORE_A_REST || looks % LOOKS_OF_A_REST == 0) {
            failures.put(name, volume.ensureServed() ? 0 : failed + 1);
        }
    }

    public List<VolumeView> list() {
        return new TreeMap<>(volumes).values().stream().map(ServedVolume::view).toList();
    }

    public VolumeView find(String name) throws NotFoundException {
        return volume(name).view();
    }

    /**
     * Freezes what is there now, while I/O goes on.
     *
     * @param hold who needs the frozen file until further notice
     */
    public JsonNode fork(String name, Optional<String> hold) throws VmckptException {
        return volume(name).fork(hold);
    }

    /**
     * Folds frozen files that nobody holds.
     *
     * @param release whose holds are given up first
     */
    public Job commit(String name, Optional<String> release, long bytesPerSecond)
            throws VmckptException {
        ServedVolume volume = volume(name);
        return jobs.submit(
                JobKind.COMMIT,
                name,
                Optional.empty(),
                work -> Thread.ofPlatform().daemon().name("commit-" + name).start(work),
                _ -> volume.commit(release, bytesPerSecond));
    }

    private ServedVolume volume(String name) throws NotFoundException {
        ServedVolume volume = volumes.get(name);
        if (volume == null) {
            throw new NotFoundException(
                    "find volume "
                            + name
                            + ": it is not in the agent's configuration, which has "
                            + new TreeMap<>(volumes).keySet());
        }
        return volume;
    }

    /** Ends looking after them; they are served on. */
    @Override
    public void close() {
        thread.shutdown();
        try {
            if (!thread.awaitTermination(1, TimeUnit.MINUTES)) {
                LOG.warn("a volume's server is still being started");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
