package org.vmckpt.testvm.bench;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.Test;
import org.vmckpt.core.Json;

final class BenchReportTest {
    @Test
    void percentileIsTheNearestRankThatWasMeasured() {
        List<Double> hundred =
                DoubleStream.iterate(100, value -> value - 1).limit(100).boxed().toList();

        assertThat(Distribution.of(hundred)).isEqualTo(new Distribution(50, 99, 100));
        assertThat(Distribution.of(List.of(3.0, 1.0, 2.0))).isEqualTo(new Distribution(2, 3, 3));
        assertThat(Distribution.of(List.of(7.0))).isEqualTo(new Distribution(7, 7, 7));
    }

    @Test
    void jsonHasSuiteAndRowsAndNothingElse() throws Exception {
        JsonNode expected =
                Json.MAPPER.readTree(
                        """
                        {"suite": "pause", "rows": [
                          {"name": "2 GiB idle: pause", "unit": "ms",
                           "vmckpt": {"p50": 1.0, "p99": 2.0, "max": 2.0},
                           "peers": {"other": {"p50": 4.0, "p99": 4.0, "max": 4.0}}},
                          {"name": "2 GiB idle: copy window", "unit": "ms",
                           "vmckpt": {"p50": 5.0, "p99": 5.0, "max": 5.0},
                           "peers": {}}]}
                        """);

        assertThat(Json.MAPPER.readTree(report().toJson())).isEqualTo(expected);
    }

    @Test
    void tableShowsEachPeerAndWhatPartOfItVmckptTook() {
        assertThat(report().toTable())
                .containsSubsequence("2 GiB idle: pause [ms]", "vmckpt", "other", "0.250", "0.500")
                .endsWith("mind the gap\n");
    }

    @Test
    void quantityThatVmckptLacksIsNoRow() {
        Samples samples = new Samples();
        samples.add("pause", "ms", "other", 1);

        assertThat(samples.rows("any")).isEmpty();
    }

    private static BenchReport report() {
        Samples samples = new Samples();
        samples.add("pause", "ms", "vmckpt", 1);
        samples.add("pause", "ms", "vmckpt", 2);
        samples.add("pause", "ms", "other", 4);
        samples.add("copy window", "ms", "vmckpt", 5);
        return new BenchReport("pause", samples.rows("2 GiB idle"), List.of("mind the gap"));
    }
}
