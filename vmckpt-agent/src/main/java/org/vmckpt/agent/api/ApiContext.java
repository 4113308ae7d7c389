package org.vmckpt.agent.api;

import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.vmckpt.agent.guest.Guests;
import org.vmckpt.agent.job.JobState;
import org.vmckpt.agent.job.Jobs;
import org.vmckpt.agent.metrics.AgentMetrics;
import org.vmckpt.agent.schedule.Scheduler;
import org.vmckpt.agent.volume.Volumes;
import org.vmckpt.core.VmckptException;
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
            public List<AgentMetrics.Guest> guests() {
                return guests.list().stream()
                        .map(view ->
                                new AgentMetrics.Guest(
                                        view.name(),
                                        view.running(),
                                        view.trackedSince().isPresent()))
                        .toList();
            }

            @Override
            public Optional<Boolean> libvirtAnswers() {
                return guests.libvirtAnswers();
            }

            @Override
            public double storeBytes() {
                return orNaN(store::usedBytes);
            }

            @Override
            public double storeFreeBytes() {
                return orNaN(store::usableBytes);
            }
        };
    }

    private interface Measure {
        long bytes() throws VmckptException;
    }

    /** NaN when the file system does not say. */
    private static double orNaN(Measure measure) {
        try {
            return (double) measure.bytes();
        } catch (VmckptException e) {
            return Double.NaN;
        }
    }
}
