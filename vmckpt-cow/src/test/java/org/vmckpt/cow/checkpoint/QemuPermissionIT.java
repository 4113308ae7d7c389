package org.vmckpt.cow.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vmckpt.cow.guard.UserfaultfdSetting;
import org.vmckpt.cow.memory.ProcessStatus;

/** Needs root, which alone may change the setting. */
final class QemuPermissionIT {
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final String NOBODY = "65534";

    private Process confined;

    @BeforeEach
    void startConfined() throws Exception {
        confined =
                new ProcessBuilder("setpriv", "--reuid=" + NOBODY, "--clear-groups", "sleep", "1h")
                        .start();
        await().atMost(SOON)
                .until(
                        () -> ProcessStatus.field(confined.pid(), "Uid"),
                        user -> user.equals(Optional.of((NOBODY + "\t").repeat(4).strip())));
    }

    @AfterEach
    void endConfined() {
        confined.destroyForcibly();
    }

    @Test
    void oneCheckpointDoesNotTakeBackWhatAnotherNeeds() {
        QemuPermission first = QemuPermission.forUserfaultfd(confined.pid());
        try (QemuPermission second = QemuPermission.forUserfaultfd(confined.pid())) {
            assertThat(second.setting()).isPresent();
            first.close();
            assertThat(UserfaultfdSetting.allowsAll()).isTrue();
        }
    }
}
