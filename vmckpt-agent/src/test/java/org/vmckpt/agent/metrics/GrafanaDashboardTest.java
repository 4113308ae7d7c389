package org.vmckpt.agent.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.vmckpt.agent.job.JobState;
import org.vmckpt.agent.schedule.Scheduler;
import org.vmckpt.core.Json;

/** The dashboard asks for metrics that there are, and for all of them. */
class GrafanaDashboardTest {
    private static final Pattern METRIC = Pattern.compile("vmckpt_[a-z0-9_]+");

    @Test
    void eachMetricIsShownAndNoOther() throws Exception {
        JsonNode dashboard =
                Json.MAPPER.readTree(Path.of("src/main/dist/grafana/vmckpt.json").toFile());
        Set<String> shown = new HashSet<>();
        for (JsonNode expression : dashboard.findValues("expr")) {
            Matcher name = METRIC.matcher(expression.asText());
            while (name.find()) {
                shown.add(name.group().replaceAll("_(total|bucket)$", ""));
            }
        }
        AgentMetrics metrics = new AgentMetrics();
        metrics.observe(new Nothing());
        Set<String> all = new HashSet<>(metrics.names());
        // What one checkpoint stored is the rate's step.
        assertThat(all.remove("vmckpt_last_stored_bytes")).isTrue();
        assertThat(shown).isEqualTo(all);
    }

    private static final class Nothing implements AgentMetrics.Source {
        @Override
        public long jobs(JobState state) {
            return 0;
        }

        @Override
        public List<Scheduler.View> schedules() {
            return List.of();
        }

        @Override
        public List<AgentMetrics.Guest> guests() {
            return List.of();
        }

        @Override
        public Optional<Boolean> libvirtAnswers() {
            return Optional.empty();
        }

        @Override
        public double storeBytes() {
            return 0;
        }

        @Override
        public double storeFreeBytes() {
            return 0;
        }
    }
}
