package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.qmp.QemuVersion;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.EngineName;

/** A guest on a memfd, with whatever QEMU is there: since 8.1 it sends a memfd with the devices. */
final class MemfdIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);

    @TempDir Path folder;

    @Test
    void memfdIsCapturedOrRefusedBeforeThePause() throws Exception {
        try (TestGuest guest =
                        TestGuest.builder()
                                .memory(192 * MIB)
                                .memoryKind(GuestMemoryKind.MEMFD)
                                .workload(Workload.flatOut(8 * MIB))
                                .start();
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            guest.awaitBoot();
            boolean refused = version(guest).isAtLeast(8, 1);
            CheckpointRequest any = CheckpointRequest.of(guest.qmpSocket(), store);
            if (refused) {
                CheckpointRequest uffd = any.withEngine(EngineName.UFFD);
                assertThatThrownBy(
                                () -> CheckpointService.checkpoint(uffd, ProgressListener.none()))
                        .isInstanceOf(UnsupportedException.class)
                        .hasMessageContaining("memory-backend-file");
            }
            CheckpointReport report = CheckpointService.checkpoint(any, ProgressListener.none());
            assertThat(report.engine().chosen() == EngineName.UFFD).isEqualTo(!refused);
            RestoredGuest.requireRestores(
                    store, report.manifest(), guest, folder.resolve("restored"));
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    private static QemuVersion version(TestGuest guest) throws Exception {
        try (QmpClient qmp = QmpClient.connect(guest.qmpSocket(), SOON)) {
            return qmp.version();
        }
    }
}
