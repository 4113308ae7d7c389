package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.DiskIo;
import org.vmckpt.cow.checkpoint.ProbedCheckpoint;
import org.vmckpt.cow.memory.RamRegion;

/**
 * Rule R6: memory is saved only when no read can still land in it. A pause is drawn out for longer
 * than reads of the guest's slow volume take, of which some are always pending: not a byte of
 * memory changes.
 */
final class R6NoReadLandsOnceMemoryIsSavedIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final long READ_MILLIS = 60;
    private static final long LONGER_MILLIS = 5 * READ_MILLIS;
    private static final long SOME_READS = 20;

    /** A busy host may stop the guest just when it has no request under way. */
    private static final int CHECKPOINTS = 5;

    private static final long NOT_COUNTED = -1;

    @TempDir private Path folder;

    @ParameterizedTest
    @EnumSource(
            value = DiskIo.class,
            names = {"DRAIN", "REISSUE"})
    void memoryIsTheSameFromTheStopUntilItIsProtected(DiskIo diskIo) throws Exception {
        Path socket = folder.resolve("s");
        VolumeProcess.run("create", folder.resolve("v").toString(), "--size", "16M");
        try (SlowVolumeServer server = new SlowVolumeServer(folder.resolve("v"), socket);
                TestGuest guest =
                        TestGuest.builder()
                                .memory(96 * MIB)
                                .vcpus(1)
                                .extraArguments(VolumeProcess.disk("v", socket))
                                .secondMonitor()
                                .workload(Workload.flatOut(MIB))
                                .start();
                QmpClient monitor = QmpClient.connect(guest.secondQmpSocket(), SOON);
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            guest.awaitBoot();
            guest.console().awaitTick(it -> it.diskReads() > SOME_READS, "reads", SOON);
            server.delay(READ_MILLIS);
            Thread.sleep(2 * READ_MILLIS);
            RamRegion memory = StoredMemory.region(guest, monitor);
            long reissued = 0;
            for (int i = 0; i < CHECKPOINTS && reissued == 0; i++) {
                LongPause pause = new LongPause(memory, folder);
                Manifest manifest =
                        ProbedCheckpoint.take(
                                        request(guest, store, diskIo),
                                        ProgressListener.none(),
                                        pause)
                                .manifest();
                assertThat(pause.moments)
                        .containsExactlyInAnyOrder(LongPause.STOP, LongPause.ARMED);
                StoredMemory.requireEqual(store, manifest, pause.stopped());
                reissued =
                        diskIo == DiskIo.REISSUE
                                ? manifest.statistics().getOrDefault("reissuedRequests", 0L)
                                : NOT_COUNTED;
            }
            server.delay(0);
            assertThat(reissued).as("requests that were pending at the stop").isNotZero();
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    private static CheckpointRequest request(TestGuest guest, Store store, DiskIo diskIo) {
        return CheckpointRequest.of(guest.qmpSocket(), store)
                .withDrainTimeout(Duration.ofSeconds(20))
                .withDiskIo(diskIo);
    }

    /** Lets time pass after the stop, and looks at memory before and after. */
    private static final class LongPause implements Consumer<String> {
        static final String STOP = "STOPPED";
        static final String ARMED = "ARMED";

        private final RamRegion memory;
        private final Path atStop;
        private final Path armed;
        final List<String> moments = new ArrayList<>();

        LongPause(RamRegion memory, Path folder) {
            this.memory = memory;
            this.atStop = folder.resolve("at-stop");
            this.armed = folder.resolve("armed");
        }

        @Override
        public void accept(String moment) {
            try {
                if (moment.equals(STOP)) {
                    moments.add(moment);
                    copy(atStop);
                    Thread.sleep(LONGER_MILLIS);
                } else if (moment.equals(ARMED)) {
                    moments.add(moment);
                    copy(armed);
                    assertThat(Files.mismatch(atStop, armed)).as("first change").isEqualTo(-1);
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }

        private void copy(Path to) throws IOException {
            Files.copy(memory.mapFile(), to, StandardCopyOption.REPLACE_EXISTING);
        }

        RamRegion stopped() {
            return new RamRegion(
                    memory.id(),
                    memory.hostAddress(),
                    memory.sizeBytes(),
                    memory.pageSizeBytes(),
                    memory.protectionBytes(),
                    atStop,
                    memory.fileOffset());
        }
    }
}
