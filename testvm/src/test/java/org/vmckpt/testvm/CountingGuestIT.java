package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.LayeredReader;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointService;

/** The guest of {@code testvm/image/counter.s} is checkpointed while it counts, and counts on. */
final class CountingGuestIT {
    private static final long MEMORY_BYTES = 16 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);

    /** Where the guest counts, as {@code counter.s} has it. */
    private static final int FIRST_PAGE = 0x100;

    private static final int LAST_PAGE = 0x900;

    private static final int ROUNDS = 2;

    @TempDir Path folder;

    @Test
    void guestUnderTcgCountsOnFromItsCheckpoint() throws Exception {
        requireCountingOn("tcg", List.of("-accel", "tcg", "-cpu", "max"));
    }

    @Test
    void guestUnderKvmCountsOnFromItsCheckpoint() throws Exception {
        try (var kvm = new RandomAccessFile("/dev/kvm", "rw")) {
            assertThat(kvm.getFD().valid()).isTrue();
        } catch (IOException e) {
            abort("this host runs no KVM guests: " + e.getMessage());
        }
        requireCountingOn("kvm", List.of("-accel", "kvm", "-cpu", "qemu64,-sse3"));
    }

    private void requireCountingOn(String accelerator, List<String> arguments) throws Exception {
        try (TestGuest guest = start(arguments);
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            CountingLog log = new CountingLog(guest.console());
            log.awaitPassAfter(0, SOON);
            for (int round = 0; round < ROUNDS; round++) {
                long before = log.lastPass();
                Manifest manifest =
                        CheckpointService.checkpoint(
                                        PatientRequest.of(guest.qmpSocket(), store),
                                        ProgressListener.none())
                                .manifest();
                long after = log.awaitPassAfter(log.lastPass(), SOON);
                assertThat(manifest.guest().accelerator()).isEqualTo(accelerator);
                long pass = requireOneInstant(store, manifest);
                assertThat(pass).isBetween(before, after);
                requireRestoredCountsOnFrom(pass, store, manifest, guest, "restored-" + round);
            }
            log.awaitPassAfter(log.lastPass(), SOON);
            log.requireFlawless();
        }
    }

    private TestGuest start(List<String> accelerator) throws IOException {
        Path home = Files.createDirectory(folder.resolve("guest"));
        Path disk = home.resolve("disk0.raw");
        Files.copy(GuestImage.ensureBuilt().countingDisk(), disk);
        QemuArguments arguments =
                new QemuArguments(
                        TestGuest.builder().memory(MEMORY_BYTES), home, new GuestImage(home));
        List<String> command = new ArrayList<>(List.of("qemu-system-x86_64"));
        command.addAll(accelerator);
        command.addAll(arguments.memory());
        command.addAll(List.of("-display", "none", "-nodefaults"));
        command.addAll(arguments.monitor());
        command.addAll(arguments.consoles());
        command.addAll(List.of("-drive", "if=ide,format=raw,file=" + disk));
        return TestGuest.start(home, command, Map.of(), null);
    }

    /**
     * Looks into the checkpoint: pages up to one place must be of one pass and all others of the
     * pass before.
     *
     * @return the pass that was being written
     */
    private static long requireOneInstant(Store store, Manifest manifest) throws Exception {
        MemoryBlock block = manifest.memory().getFirst();
        ByteBuffer page = ByteBuffer.allocate(block.pageSizeBytes()).order(ByteOrder.LITTLE_ENDIAN);
        try (LayeredReader reader = store.openLayers(block.layers())) {
            long pass = -1;
            boolean older = false;
            for (int number = FIRST_PAGE; number < LAST_PAGE; number++) {
                reader.read(number, page.clear());
                long found = page.getInt(0) ^ number * block.pageSizeBytes();
                pass = pass < 0 ? found : pass;
                older |= found == pass - 1;
                assertThat(found).as("pass of page %d", number).isEqualTo(older ? pass - 1 : pass);
            }
            return pass;
        }
    }

    private void requireRestoredCountsOnFrom(
            long pass, Store store, Manifest manifest, TestGuest original, String name)
            throws Exception {
        Path home = folder.resolve(name);
        try (RestoredGuest restored =
                RestoredGuest.restore(store, manifest, original.folder(), home)) {
            CountingLog log = new CountingLog(restored.console());
            long next = log.awaitPassAfter(0, SOON);
            assertThat(next).isBetween(pass, pass + CountingLog.STEP);
            log.awaitPassAfter(next + CountingLog.STEP, SOON);
            log.requireFlawless();
            try (QmpClient qmp = QmpClient.connect(restored.report().qmpPath(), SOON)) {
                assertThat(qmp.execute("query-kvm").path("enabled").asBoolean())
                        .isEqualTo(manifest.guest().accelerator().equals("kvm"));
            }
        }
    }
}
