package org.vmckpt.cow.disk;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Json;
import org.vmckpt.core.qmp.EventWaiter;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.qmp.StagedCommand;

/** That a real QEMU reads commands in parts, and forgets a part. */
class StagedCommandIT {
    private static final Duration LIMIT = Duration.ofSeconds(60);

    @TempDir Path folder;

    @Test
    void isDoneWhenItsEndIsSentAndNotBefore() throws Exception {
        try (Qemu qemu = Qemu.start(folder);
                EventWaiter resumed = qemu.qmp().waitFor("RESUME", event -> event.is("RESUME"))) {
            StagedCommand cont = qemu.qmp().stage("cont");
            assertThat(resumed.happensWithin(Duration.ofMillis(200))).isFalse();
            cont.send().await(LIMIT);
            assertThat(resumed.happensWithin(LIMIT)).isTrue();
        }
    }

    @Test
    void isForgottenWhenAnotherCommandComesFirstAndThenDoneAsAWhole() throws Exception {
        try (Qemu qemu = Qemu.start(folder)) {
            QmpClient qmp = qemu.qmp();
            qmp.execute("cont");
            ObjectNode arguments = Json.MAPPER.createObjectNode().put("command-line", "stop");
            for (int round = 0; round < 20; round++) {
                StagedCommand stop = qmp.stage("human-monitor-command", arguments);
                assertThat(status(qmp)).isEqualTo("running");
                StagedCommand again = qmp.stage("human-monitor-command", arguments);
                stop.send().await(LIMIT);
                assertThat(status(qmp)).isEqualTo("paused");
                again.send().await(LIMIT);
                qmp.execute("cont");
            }
        }
    }

    private static String status(QmpClient qmp) throws Exception {
        return qmp.execute("query-status").path("status").asText();
    }
}
