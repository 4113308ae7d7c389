package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.testvm.Rate;
import org.vmckpt.testvm.Workload;

/** Rule R8: a disk that is slower than the drain limit. */
final class R8DrainHasALimitIT {
    private static final Duration LIMIT = Duration.ofMillis(120);
    private static final Duration DELAY = Duration.ofMillis(300);

    @TempDir static Path folder;
    private static WatchedGuest guest;
    private static Store store;

    @BeforeAll
    static void bootGuest() throws Exception {
        guest =
                WatchedGuest.start(builder ->
                        builder.slowDisk("disk1")
                                .workload(
                                        Workload.idle(16 << 20)
                                                .memory(Rate.perSecond(5000))
                                                .disk(Rate.perSecond(200))));
        guest.guest().awaitBoot();
        guest.requireGoesOn();
        store = Store.openOrCreate(folder.resolve("store"));
    }

    @AfterAll
    static void endGuest() {
        store.close();
        guest.close();
    }

    private static void checkpoint(Duration limit, ProgressListener progress) throws Exception {
        CheckpointRequest usual = guest.request(store);
        CheckpointService.checkpoint(
                new CheckpointRequest(
                        usual.guest(),
                        store,
                        usual.name(),
                        usual.cowBudgetBytes(),
                        limit,
                        usual.engine(),
                        false,
                        usual.diskIo()),
                progress);
    }

    @Test
    void slowDiskIsRefusedBeforeThePause() throws Exception {
        List<String> disks = guest.activeFiles();
        Instant start = Instant.now();
        guest.guest().slowDisk().delay(DELAY);
        try {
            Thread.sleep(2 * DELAY.toMillis());
            for (int attempt = 0; attempt < 2; attempt++) {
                assertThatThrownBy(() -> checkpoint(LIMIT, ProgressListener.none()))
                        .isInstanceOf(RefusedException.class)
                        .hasMessageContainingAll("disk1", LIMIT.toMillis() + " ms", "drain");
            }
        } finally {
            guest.guest().slowDisk().delay(Duration.ZERO);
        }
        assertThat(guest.stopsSince(start)).as("the guest was never paused").isZero();
        requireAsBefore(disks);
    }

    @Test
    void diskThatBecomesSlowInThePauseFailsItAndTheGuestGoesOnAtOnce() throws Exception {
        List<String> disks = guest.activeFiles();
        Instant start = Instant.now();
        try {
            assertThatThrownBy(() -> checkpoint(LIMIT, R8DrainHasALimitIT::slowDownBeforeThePause))
                    .isInstanceOf(RefusedException.class)
                    .hasMessageMatching("(?s).*stood still for [0-9]+ ms.*nothing was changed.*");
        } finally {
            guest.guest().slowDisk().delay(Duration.ZERO);
        }
        assertThat(guest.stopsSince(start)).isEqualTo(1);
        Instant stop = guest.eventAfter(start, "STOP").orElseThrow();
        Instant resume = guest.eventAfter(stop, "RESUME").orElseThrow();
        System.out.printf(
                "slow disk: the guest stood still for %d ms%n",
                Duration.between(stop, resume).toMillis());
        requireAsBefore(disks);
    }

    private static void slowDownBeforeThePause(String phase, long done, long total, String unit) {
        if (phase.equals("pause")) {
            guest.guest().slowDisk().delay(DELAY);
            // Two that were delayed have ended, so the guest is behind with its writes: it begins
            // the next one at once, which is half done when the guest is stopped.
            guest.awaitWrites("virtio-disk1", 2);
            sleep(DELAY.dividedBy(2));
        }
    }

    private static void sleep(Duration duration) {
        try {
            Thread.sleep(duration);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static void requireAsBefore(List<String> disks) throws Exception {
        guest.requireGoesOn();
        assertThat(guest.activeFiles()).isEqualTo(disks);
        assertThat(guest.overlays()).isEmpty();
        assertThat(store.list()).isEmpty();
        guest.requireCleanImages();
        guest.requireAllIsWell();
    }
}
