package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.testvm.ConsoleLine;
import org.vmckpt.testvm.Rate;
import org.vmckpt.testvm.TestGuest;
import org.vmckpt.testvm.VolumeProcess;
import org.vmckpt.testvm.Workload;

/** The disk that a guest's volume lies on is full: QEMU stops the guest, and no data is lost. */
final class FullHostDiskIT {
    private static final int MIB = 1 << 20;
    private static final int BALLAST_BYTES = 18 * MIB;
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final int SOME_WRITES = 200;

    @TempDir private Path folder;

    private Path full;
    private boolean mounted;

    @BeforeEach
    void mount() throws Exception {
        full = Files.createDirectory(folder.resolve("full"));
        mounted = run("mount", "-t", "tmpfs", "-o", "size=30m", "vmckpt-test", full.toString());
        assumeTrue(mounted, "mounting a tmpfs needs root: run this test as root");
    }

    @AfterEach
    void unmount() throws Exception {
        if (mounted) {
            run("umount", full.toString());
        }
    }

    private static boolean run(String... command) throws Exception {
        return new ProcessBuilder(command).inheritIO().start().waitFor() == 0;
    }

    @Test
    void theGuestStandsUntilThereIsRoomAndGoesOnWithoutAnError() throws Exception {
        Path ballast = full.resolve("ballast");
        Files.write(ballast, new byte[BALLAST_BYTES]);
        Path volume = full.resolve("v");
        Path socket = folder.resolve("s");
        VolumeProcess.run("create", volume.toString(), "--size", "24M");
        try (VolumeProcess server = VolumeProcess.start(volume, socket);
                TestGuest guest = guest(socket);
                QmpClient qmp = QmpClient.connect(guest.qmpSocket(), SOON)) {
            guest.awaitBoot();
            Awaitility.await().atMost(SOON).until(() -> status(qmp).equals("io-error"));
            assertThat(qmp.execute("query-block").path(0).path("io-status").asText())
                    .isEqualTo("nospace");
            Files.delete(ballast);
            qmp.execute("cont");
            long before = writes(guest);
            guest.console().awaitTick(it -> it.diskWrites() > before + SOME_WRITES, "writes", SOON);
            assertThat(status(qmp)).isEqualTo("running");
            assertThat(guest.console().verify(SOON).errors()).isZero();
            assertThat(guest.console().faults()).isEmpty();
            qmp.execute("quit");
            guest.waitFor();
            server.end();
        }
        assertThat(VolumeProcess.run("commit", volume.toString())).contains("1 layers");
    }

    private static TestGuest guest(Path socket) {
        List<String> disk =
                VolumeProcess.disk("v", socket).stream()
                        .map(it -> it.replace("werror=stop", "werror=enospc"))
                        .toList();
        return TestGuest.builder()
                .memory(128L * MIB)
                .vcpus(1)
                .extraArguments(disk)
                .workload(Workload.idle(4 * MIB).disk(Rate.FLAT_OUT))
                .start();
    }

    private static String status(QmpClient qmp) throws VmckptException {
        return qmp.execute("query-status").path("status").asText();
    }

    private static long writes(TestGuest guest) {
        return guest.console().latestTick().map(ConsoleLine.Tick::diskWrites).orElse(0L);
    }
}
