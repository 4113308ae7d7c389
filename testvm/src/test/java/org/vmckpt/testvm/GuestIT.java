package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The guest boots, works, and above all: its judge sees what is wrong. */
final class GuestIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofMinutes(2);

    @ParameterizedTest
    @CsvSource({"pc,MEMFD", "q35,FILE"})
    void loadedGuestMovesAndFindsNoError(String machine, GuestMemoryKind memory) {
        try (TestGuest guest =
                smallGuest()
                        .machine(machine)
                        .memoryKind(memory)
                        .workload(Workload.flatOut(32 * MIB).stall(4 * MIB, Rate.perSecond(500)))
                        .start()) {
            ConsoleLine.Boot boot = guest.awaitBoot();
            ConsoleLine.Tick tick =
                    guest.console()
                            .awaitTick(
                                    it -> it.counter() > 16 && it.memoryPasses() > 1,
                                    "some load",
                                    SOON);
            ConsoleLine.Verdict verdict = guest.console().verify(SOON);

            assertThat(boot.vcpus()).isEqualTo(2);
            assertThat(boot.disks()).hasSize(2);
            assertThat(tick.nonce()).isEqualTo(boot.nonce()).hasSize(32);
            assertThat(tick.diskWrites()).isGreaterThan(100);
            assertThat(tick.diskSyncs()).isPositive();
            assertThat(guest.console().stalls()).isNotEmpty();
            assertThat(verdict.memoryPages()).isEqualTo(32 * MIB / 4096);
            assertThat(verdict.diskBlocks()).isEqualTo(2 * 16 * MIB / 4096);
            assertThat(verdict.errors()).isZero();
            assertThat(guest.console().faults()).isEmpty();
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = GuestMemoryKind.class,
            names = {"ANONYMOUS", "PRIVATE_FILE"})
    void guestOnPrivateMemoryBoots(GuestMemoryKind memory) {
        try (TestGuest guest =
                TestGuest.builder().vcpus(1).memory(128 * MIB).memoryKind(memory).start()) {
            assertThat(guest.awaitBoot().vcpus()).isEqualTo(1);
        }
    }

    @Test
    void stoppedWorkloadStandsStillAndGoesOn() {
        try (TestGuest guest = smallGuest().workload(Workload.flatOut(16 * MIB)).start()) {
            guest.awaitBoot();
            guest.console().stop();
            ConsoleLine.Verdict first = guest.console().verify(SOON);
            ConsoleLine.Verdict second = guest.console().verify(SOON);
            guest.console().go();
            // Not all threads of the workload come to it at once.
            ConsoleLine.Verdict later =
                    await().atMost(SOON)
                            .until(
                                    () -> guest.console().verify(SOON),
                                    it ->
                                            !it.memoryHash().equals(first.memoryHash())
                                                    && Collections.disjoint(
                                                            it.diskHashes(), first.diskHashes()));

            assertThat(second.memoryHash()).isEqualTo(first.memoryHash());
            assertThat(second.diskHashes()).isEqualTo(first.diskHashes());
            assertThat(later.errors()).isZero();
        }
    }

    @Test
    void memoryDamagedBehindTheGuestIsReported() throws IOException {
        try (TestGuest guest = smallGuest().workload(Workload.idle(8 * MIB).filled()).start()) {
            awaitFill(guest);
            Path memory = BlockFinder.memoryOf(guest.pid());
            long at = BlockFinder.find(memory, BlockFinder.KIND_MEMORY, 700).orElseThrow();

            BlockFinder.damage(memory, at);
            guest.console().memoryRate(Rate.FLAT_OUT);

            ConsoleLine.Fault fault = guest.console().awaitFault(SOON);
            assertThat(fault.what()).isEqualTo("memory");
            assertThat(fault.wrong()).isEqualTo("checksum");
            assertThat(fault.detail().path("page").asLong()).isEqualTo(700);
            assertThat(guest.console().awaitTick(it -> it.errors() == 1, "its count", SOON))
                    .isNotNull();
        }
    }

    @Test
    void memoryPageOfAnEarlierInstantIsReported() throws IOException {
        try (TestGuest guest = smallGuest().workload(Workload.idle(8 * MIB).filled()).start()) {
            awaitFill(guest);
            Path memory = BlockFinder.memoryOf(guest.pid());
            long at = BlockFinder.find(memory, BlockFinder.KIND_MEMORY, 5).orElseThrow();
            ByteBuffer before = BlockFinder.read(memory, at);
            guest.console().memoryRate(Rate.FLAT_OUT);
            guest.console().awaitTick(it -> it.memoryPasses() > 2, "a later pass", SOON);
            guest.console().stop();

            BlockFinder.write(memory, at, before);

            assertThat(guest.console().verify(SOON).newErrors()).isEqualTo(1);
            assertThat(guest.console().faults().getFirst().wrong()).isEqualTo("lost-write");
        }
    }

    @Test
    void diskBlocksDamagedBehindTheGuestAreReported() throws IOException {
        // Lanes: the first MiB O_DIRECT, the next buffered.
        long[] damaged = {1, 300};
        try (TestGuest guest = smallGuest().workload(diskOnly()).start()) {
            awaitWholeDisks(guest);
            guest.console().stop();
            for (int disk = 0; disk < 2; disk++) {
                Path file = guest.diskFile(disk);
                for (long block : damaged) {
                    int kind = BlockFinder.KIND_DISK + disk;
                    BlockFinder.damage(file, BlockFinder.find(file, kind, block).orElseThrow());
                }
            }
            guest.console().go();

            guest.console().awaitTick(it -> it.errors() == 4, "all four", SOON);
            assertThat(guest.console().faults())
                    .allMatch(fault -> fault.what().equals("disk"))
                    .allMatch(fault -> fault.wrong().equals("checksum"))
                    .extracting(GuestIT::place)
                    .containsExactlyInAnyOrder("vda 1", "vda 300", "vdb 1", "vdb 300");
        }
    }

    private static String place(ConsoleLine.Fault fault) {
        return fault.detail().path("disk").asText() + " " + fault.detail().path("block").asLong();
    }

    @Test
    void diskBlockOfAnotherInstantIsReported() throws IOException {
        try (TestGuest guest = smallGuest().workload(diskOnly()).start()) {
            awaitWholeDisks(guest);
            guest.console().stop();
            Path file = guest.diskFile(1);
            ByteBuffer early = BlockFinder.read(file, 4096);
            guest.console().go();
            await().atMost(SOON).until(() -> !BlockFinder.read(file, 4096).equals(early));
            guest.console().stop();

            BlockFinder.write(file, 4096, early);

            assertThat(guest.console().verify(SOON).newErrors()).isEqualTo(1);
            assertThat(guest.console().faults().getFirst().wrong()).isEqualTo("lost-write");
        }
    }

    @Test
    void diskIsSlowWhileItIsToldTo() {
        try (TestGuest guest = smallGuest().workload(diskOnly()).slowDisk("disk1").start()) {
            guest.awaitBoot();
            guest.slowDisk().delay(Duration.ofMillis(400));
            ConsoleLine.Tick slow =
                    guest.console()
                            .awaitTick(it -> it.diskMaxMicros() >= 400_000, "a slow request", SOON);
            guest.slowDisk().delay(Duration.ZERO);

            ConsoleLine.Tick quick =
                    guest.console()
                            .awaitTick(
                                    it ->
                                            it.counter() > slow.counter() + 4
                                                    && it.diskMaxMicros() > 0
                                                    && it.diskMaxMicros() < 300_000,
                                    "quick requests",
                                    SOON);
            assertThat(quick.errors()).isZero();
        }
    }

    @Test
    void closingLeavesNothingBehind() {
        TestGuest guest = smallGuest().start();
        guest.awaitBoot();

        guest.close();

        assertThat(ProcessHandle.of(guest.pid())).isEmpty();
        assertThat(Files.exists(guest.folder())).isFalse();
    }

    private static TestGuestBuilder smallGuest() {
        return TestGuest.builder()
                .memory(128 * MIB)
                .vcpus(2)
                .disk(TestDisk.qcow2(16 * MIB))
                .disk(TestDisk.raw(16 * MIB).asBlockdev());
    }

    private static Workload diskOnly() {
        return Workload.idle(MIB).disk(Rate.FLAT_OUT);
    }

    private static void awaitFill(TestGuest guest) {
        guest.awaitBoot();
        guest.console().awaitTick(it -> it.memoryPasses() == 1, "a full region", SOON);
    }

    /** Every second extent is the next in order: this many writes reach every block of 16 MiB. */
    private static void awaitWholeDisks(TestGuest guest) {
        guest.awaitBoot();
        guest.console().awaitTick(it -> it.diskWrites() > 5000, "written disks", SOON);
    }
}
