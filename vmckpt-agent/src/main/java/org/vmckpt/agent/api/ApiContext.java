package org.vmckpt.agent.api;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import org.vmckpt.agent.guest.Guests;
import org.vmckpt.agent.job.JobState;
import org.vmckpt.agent.job.Jobs;
import org.vmckpt.agent.metrics.AgentMetrics;
import org.vmckpt.agent.schedule.Scheduler;
import org.vmckpt.agent.volume.Volumes;
import org.vmckpt.core.store.Store;

/** The parts of the agent that the API shows and steers. */
public record ApiContext(
        Store store,
        Jobs jobs,
        Guests guests,
        Scheduler scheduler,
        Volumes volumes,
        AgentMetrics metrics,
        Instant startedAt) {

    /** What metrics ask for. */
    public AgentMetrics.Source metricSource() {
        return new AgentMetrics.Source() {
            @Override
            public long jobs(JobState state) {
                return jobs.count(state);
            }

            @Override
            public List<Scheduler.View> schedules() {
                return scheduler.list();
            }

            @Override
            public List<AgentMetrics.Tracked> tracked() {
                return guests.list().stream()
                        .map(view ->
                                new AgentMetrics.Tracked(
                                        view.name(), view.trackedSince().isPresent()))
                        .toList();
            }

            @Override
            public double storeFreeBytes() {
                return freeBytes(store.directory());
            }
        };
    }

    /** NaN when the file system does not say. */
    static double freeBytes(Path folder) {
        try {
            return (double) Files.getFileStore(folder).getUsableSpace();
        } catch (IOException e) {
            return Double.NaN;
        }
    }
}
