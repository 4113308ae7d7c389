package org.vmckpt.agent.metrics;

import io.prometheus.metrics.config.EscapingScheme;
import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.Gauge;
import io.prometheus.metrics.core.metrics.GaugeWithCallback;
import io.prometheus.metrics.core.metrics.Histogram;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.vmckpt.agent.job.JobState;
import org.vmckpt.agent.schedule.Scheduler;
import org.vmckpt.core.ErrorKind;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.checkpoint.CheckpointReport;

/** All metrics. Names and labels are an interface: they are only ever added to. */
public final class AgentMetrics {
    public static final String CONTENT_TYPE = PrometheusTextFormatWriter.CONTENT_TYPE;

    private static final String GUEST = "guest";
    private static final double[] PAUSE_SECONDS = {
        0.001, 0.002, 0.003, 0.004, 0.006, 0.01, 0.02, 0.05, 0.1, 0.3, 1, 10
    };
    private static final double[] WINDOW_SECONDS = {
        0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300
    };

    private final PrometheusRegistry registry = new PrometheusRegistry();

    private final Counter checkpoints =
            counter("vmckpt_checkpoints_total", "Checkpoints taken.", GUEST);
    private final Counter failures =
            counter("vmckpt_checkpoint_failures_total", "Checkpoints that failed.", GUEST, "cause");
    private final Counter storedBytes =
            counter("vmckpt_stored_bytes_total", "Bytes put into the store.", GUEST);
    private final Histogram pause =
            histogram("vmckpt_pause_seconds", "How long guests stood still.", PAUSE_SECONDS);
    private final Histogram window =
            histogram(
                    "vmckpt_copy_window_seconds",
                    "How long memory was write-protected after a pause.",
                    WINDOW_SECONDS);
    private final Histogram durable =
            histogram(
                    "vmckpt_durable_seconds",
                    "From a pause to the checkpoint on disk.",
                    WINDOW_SECONDS);
    private final Gauge faultP99 =
            gauge(
                    "vmckpt_fault_p99_seconds",
                    "How long the slowest hundredth of the guest's page faults took, at the last"
                            + " checkpoint.",
                    GUEST);
    private final Gauge dirtyPages =
            gauge("vmckpt_dirty_pages", "Pages that the last checkpoint had to copy.", GUEST);
    private final Gauge lastBytes =
            gauge(
                    "vmckpt_last_stored_bytes",
                    "Bytes that the last checkpoint put into the store.",
                    GUEST);
    private final Gauge lastTime =
            gauge(
                    "vmckpt_last_checkpoint_timestamp_seconds",
                    "When the last checkpoint became durable.",
                    GUEST);

    private Counter counter(String name, String help, String... labels) {
        return Counter.builder().name(name).help(help).labelNames(labels).register(registry);
    }

    private Gauge gauge(String name, String help, String... labels) {
        return Gauge.builder().name(name).help(help).labelNames(labels).register(registry);
    }

    private Histogram histogram(String name, String help, double[] upperBounds) {
        return Histogram.builder()
                .name(name)
                .help(help)
                .labelNames(GUEST)
                .classicOnly()
                .classicUpperBounds(upperBounds)
                .register(registry);
    }

    /** What is asked when somebody looks. */
    public interface Source {
        long jobs(JobState state);

        List<Scheduler.View> schedules();

        List<Guest> guests();

        /** Whether libvirtd answers; empty when no guest is a domain. */
        Optional<Boolean> libvirtAnswers();

        double storeBytes();

        double storeFreeBytes();
    }

    /** A guest, and whether its memory is tracked. */
    public record Guest(String name, boolean running, boolean tracked) {}

    /** Adds what is not counted but asked for. */
    public void observe(Source source) {
        callback(
                "vmckpt_jobs",
                "Jobs that wait, and that run.",
                List.of("state"),
                () ->
                        List.of(
                                Sample.of((double) source.jobs(JobState.WAITING), "waiting"),
                                Sample.of((double) source.jobs(JobState.RUNNING), "running")));
        callback(
                "vmckpt_schedule_lag_seconds",
                "How much later than due the schedule's last checkpoint began.",
                List.of("schedule"),
                () ->
                        source.schedules().stream()
                                .map(view -> Sample.of(view.lag().toMillis() / 1e3, view.name()))
                                .toList());
        callback(
                "vmckpt_guest_tracked",
                "1 while the guest's memory is tracked.",
                List.of(GUEST),
                () ->
                        source.guests().stream()
                                .map(guest -> Sample.of(guest.tracked() ? 1 : 0, guest.name()))
                                .toList());
        callback(
                "vmckpt_guest_running",
                "1 while the guest is there.",
                List.of(GUEST),
                () ->
                        source.guests().stream()
                                .map(guest -> Sample.of(guest.running() ? 1 : 0, guest.name()))
                                .toList());
        callback(
                "vmckpt_libvirt_up",
                "1 while libvirtd answers; nothing when no guest is a domain.",
                List.of(),
                () -> source.libvirtAnswers().stream().map(up -> Sample.of(up ? 1 : 0)).toList());
        callback(
                "vmckpt_store_bytes",
                "What the files of the store take.",
                List.of(),
                () -> List.of(Sample.of(source.storeBytes())));
        callback(
                "vmckpt_store_free_bytes",
                "What the store's file system has left.",
                List.of(),
                () -> List.of(Sample.of(source.storeFreeBytes())));
    }

    /** Of all metrics, also those that nothing was counted for; counters without {@code _total}. */
    Set<String> names() {
        return registry.scrape().stream()
                .map(metric -> metric.getMetadata().getPrometheusName())
                .collect(Collectors.toSet());
    }

    private record Sample(double value, List<String> labels) {
        static Sample of(double value, String... labels) {
            return new Sample(value, List.of(labels));
        }
    }

    private void callback(
            String name, String help, List<String> labels, Supplier<List<Sample>> samples) {
        GaugeWithCallback.builder()
                .name(name)
                .help(help)
                .labelNames(labels.toArray(String[]::new))
                .callback(out ->
                        samples.get()
                                .forEach(sample ->
                                        out.call(
                                                sample.value(),
                                                sample.labels().toArray(String[]::new))))
                .register(registry);
    }

    public void taken(String guest, CheckpointReport report) {
        Manifest manifest = report.manifest();
        checkpoints.labelValues(guest).inc();
        storedBytes.labelValues(guest).inc(report.storedBytes());
        pause.labelValues(guest).observe(report.pause().totalMicros() / 1e6);
        window.labelValues(guest).observe(report.copyWindowMicros() / 1e6);
        durable.labelValues(guest).observe(report.durableMillis() / 1e3);
        faultP99.labelValues(guest)
                .set(manifest.statistics().getOrDefault("cowFaultP99Micros", 0L) / 1e6);
        dirtyPages
                .labelValues(guest)
                .set((double) manifest.statistics().getOrDefault("pagesWanted", 0L));
        lastBytes.labelValues(guest).set((double) report.storedBytes());
        lastTime.labelValues(guest).set(manifest.createdAt().toEpochMilli() / 1e3);
    }

    public void failed(String guest, VmckptException failure) {
        failures.labelValues(guest, ErrorKind.of(failure).text()).inc();
    }

    /** In the text format of Prometheus. */
    public String text() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try {
            PrometheusTextFormatWriter.create()
                    .write(out, registry.scrape(), EscapingScheme.ALLOW_UTF8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return out.toString(StandardCharsets.UTF_8);
    }
}
