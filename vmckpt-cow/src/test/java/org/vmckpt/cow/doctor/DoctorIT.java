package org.vmckpt.cow.doctor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assumptions.assumeThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.cow.linux.GuestFile;
import org.vmckpt.cow.linux.NativeBuffer;
import org.vmckpt.cow.memory.HugePages;
import org.vmckpt.cow.memory.TinyQemu;

/** Real guests, fit and unfit. Needs root and QEMU. */
@Timeout(180)
class DoctorIT {
    private static final List<EngineName> ALL = List.of(EngineName.values());

    @AutoClose static FileChannel turn;

    @BeforeAll
    static void awaitTurn() throws Exception {
        turn = HugePages.awaitTurn();
    }

    @TempDir private Path folder = Path.of("");

    @Test
    void sharedMemoryAllowsEveryEngine() throws Exception {
        try (TinyQemu qemu = new TinyQemu(folder, TinyQemu.sharedAnd())) {
            Diagnosis diagnosis = examine(qemu);

            assertThat(usable(diagnosis)).isEqualTo(ALL);
            assertThat(diagnosis.guest()).allMatch(finding -> finding.verdict() == Verdict.OK);
            assertThat(finding(diagnosis, "memory").found()).isEqualTo("mem0, 64 MiB, shared");
            assertThat(diagnosis.healthy()).isTrue();
        }
    }

    @Test
    void guestIsLeftAsItWas() throws Exception {
        try (TinyQemu qemu = new TinyQemu(folder, TinyQemu.sharedAnd())) {
            String before = migrationSettings(qemu);

            examine(qemu);

            assertThat(migrationSettings(qemu)).isEqualTo(before);
            assertThat(qemu.userfaultfdCount()).isZero();
            try (QmpClient qmp = qemu.connect()) {
                assertThat(qmp.execute("query-status").path("status").asText())
                        .isEqualTo("running");
            }
        }
    }

    @Test
    void privateMemoryLeavesTheOtherEnginesAndNamesTheOptionThatSharesIt() throws Exception {
        try (TinyQemu qemu = new TinyQemu(folder)) {
            Diagnosis diagnosis = examine(qemu);

            assertThat(usable(diagnosis)).containsExactly(EngineName.BACKGROUND, EngineName.PAUSE);
            EngineDiagnosis uffd = diagnosis.engines().getFirst();
            assertThat(uffd.reasons()).containsExactly("memory");
            assertThat(uffd.remedies())
                    .containsExactly(
                            "start the guest with -object"
                                    + " memory-backend-memfd,id=mem0,size=67108864,share=on"
                                    + " -machine memory-backend=mem0",
                            "or in libvirt: <memoryBacking><source type='memfd'/>"
                                    + "<access mode='shared'/></memoryBacking>");
        }
    }

    @Test
    void memoryInAFileOnADiskIsNotForUffd() throws Exception {
        assumeThat(Files.getFileStore(folder).type())
                .as("the temporary folder must be on a disk")
                .isNotEqualTo("tmpfs");
        try (TinyQemu qemu =
                new TinyQemu(
                        folder,
                        "-object",
                        "memory-backend-file,id=mem0,size=64M,share=on,mem-path="
                                + folder.resolve("ram"),
                        "-machine",
                        "memory-backend=mem0")) {
            Diagnosis diagnosis = examine(qemu);

            assertThat(usable(diagnosis)).doesNotContain(EngineName.UFFD);
            assertThat(finding(diagnosis, "memory").found())
                    .contains(folder.resolve("ram").toString(), "memfd");
        }
    }

    @Test
    void memoryInHugePagesIsForEveryEngineAndSaidToBe() throws Exception {
        try (HugePages _ = HugePages.reserve(32);
                TinyQemu qemu = new TinyQemu(folder, huge())) {
            Diagnosis diagnosis = examine(qemu);

            assertThat(usable(diagnosis)).contains(EngineName.UFFD, EngineName.PAUSE);
            assertThat(finding(diagnosis, "memory").found())
                    .isEqualTo("mem0, 64 MiB, shared, in huge pages of 2 MiB");
        }
    }

    @Test
    void hugePagesThatAreGivenBackAtAnyTimeAreNotForUffd() throws Exception {
        try (HugePages _ = HugePages.reserve(32);
                TinyQemu qemu =
                        new TinyQemu(
                                folder,
                                huge("-device", "virtio-balloon-pci,free-page-reporting=on"))) {
            Diagnosis diagnosis = examine(qemu);

            assertThat(usable(diagnosis)).doesNotContain(EngineName.UFFD);
            assertThat(finding(diagnosis, "memory").found())
                    .contains("huge pages", "free-page-reporting=off");
        }
    }

    @Test
    void hugePagesOfOneGibibyteAreNotForUffd() throws Exception {
        try (HugePages _ = HugePages.reserve(1 << 30, 1);
                TinyQemu qemu =
                        new TinyQemu(
                                folder,
                                "-m",
                                "1024",
                                "-object",
                                "memory-backend-memfd,id=mem0,size=1G,share=on,hugetlb=on,"
                                        + "hugetlbsize=1G",
                                "-machine",
                                "memory-backend=mem0")) {
            Diagnosis diagnosis = examine(qemu);

            assertThat(usable(diagnosis)).doesNotContain(EngineName.UFFD);
            assertThat(finding(diagnosis, "memory").found())
                    .contains("1024 MiB", "would wait until all of it is saved");
        }
    }

    private static String[] huge(String... more) {
        String[] shared = TinyQemu.sharedAnd(more);
        shared[1] += ",hugetlb=on,hugetlbsize=2M";
        return shared;
    }

    @Test
    void processThatMapsGuestMemoryIsNamedAndLeavesOnlyThePause() throws Exception {
        try (TinyQemu qemu = new TinyQemu(folder, TinyQemu.sharedAnd());
                GuestFile file = GuestFile.openForWriting(qemu.regions().getFirst().mapFile());
                NativeBuffer mapping = file.map(4096)) {
            assertThat(mapping.sizeBytes()).isEqualTo(4096);

            Diagnosis diagnosis = examine(qemu);

            assertThat(usable(diagnosis)).containsExactly(EngineName.PAUSE);
            assertThat(finding(diagnosis, "other writers").found())
                    .contains("process " + ProcessHandle.current().pid());
        }
    }

    @Test
    void socketHeldByAnotherClientBlocksEverything() throws Exception {
        try (TinyQemu qemu = new TinyQemu(folder, TinyQemu.sharedAnd());
                QmpClient other = qemu.connect()) {
            assertThat(other.version().major()).isPositive();

            Diagnosis diagnosis = examine(qemu);

            assertThat(usable(diagnosis)).isEmpty();
            assertThat(diagnosis.healthy()).isFalse();
            assertThat(finding(diagnosis, "monitor").found()).contains("another client");
            assertThat(finding(diagnosis, "monitor").remedy().getFirst()).contains("-qmp unix:");
        }
    }

    @Test
    void guestThatWaitsForAMigrationBlocksEverything() throws Exception {
        try (TinyQemu qemu = new TinyQemu(folder, TinyQemu.sharedAnd("-incoming", "defer"))) {
            Diagnosis diagnosis = examine(qemu);

            assertThat(usable(diagnosis)).isEmpty();
            assertThat(finding(diagnosis, "status").found()).contains("inmigrate");
        }
    }

    @Test
    void stoppedGuestIsNotForTheBackgroundSnapshot() throws Exception {
        try (TinyQemu qemu = new TinyQemu(folder, TinyQemu.sharedAnd("-S"))) {
            Diagnosis diagnosis = examine(qemu);

            assertThat(usable(diagnosis)).containsExactly(EngineName.UFFD, EngineName.PAUSE);
            assertThat(finding(diagnosis, "engine background").found()).contains("send cont");
        }
    }

    @Test
    void balloonAndFreePageReportingAreNoted() throws Exception {
        try (TinyQemu qemu =
                new TinyQemu(folder, "-device", "virtio-balloon-pci,free-page-reporting=on")) {
            Finding balloon = finding(examine(qemu), "balloon");

            assertThat(balloon.verdict()).isEqualTo(Verdict.NOTE);
            assertThat(balloon.found()).contains("reports free pages");
        }
    }

    @Test
    void diskThatIsNoFileBlocksEverythingAndIsNamed() throws Exception {
        try (TinyQemu qemu =
                new TinyQemu(folder, "-drive", "driver=null-co,size=1M,if=virtio,id=d0")) {
            Diagnosis diagnosis = examine(qemu);

            assertThat(usable(diagnosis)).isEmpty();
            assertThat(finding(diagnosis, "disks").found()).contains("d0", "null-co");
        }
    }

    @Test
    void qemuWithoutPrivilegesGetsTheSysctlForAMoment() throws Exception {
        assumeThat(KernelSettings.read(KernelSettings.UNPRIVILEGED_USERFAULTFD))
                .as("vm.unprivileged_userfaultfd")
                .contains("0");
        try (TinyQemu qemu = new TinyQemu(folder, unprivileged())) {
            Diagnosis diagnosis = examine(qemu);

            assertThat(usable(diagnosis)).containsExactly(EngineName.values());
            assertThat(finding(diagnosis, "confinement").found())
                    .contains("vm.unprivileged_userfaultfd", "for that moment");
            assertThat(KernelSettings.read(KernelSettings.UNPRIVILEGED_USERFAULTFD)).contains("0");
        }
    }

    @Test
    void withoutAttachingTheRestIsStillJudged() throws Exception {
        try (TinyQemu qemu = new TinyQemu(folder, unprivileged())) {
            Diagnosis diagnosis = Doctor.examine(GuestAddress.of(qemu.socket), folder, false);

            assertThat(finding(diagnosis, "attach").verdict()).isEqualTo(Verdict.UNKNOWN);
            assertThat(finding(diagnosis, "memory").verdict()).isEqualTo(Verdict.OK);
        }
    }

    private static String[] unprivileged() {
        return TinyQemu.sharedAnd("-runas", "nobody");
    }

    @Test
    void storeWithLessRoomThanTheGuestIsNoted() throws Exception {
        Path file = Files.createFile(folder.resolve("file"));
        assertThat(new StoreCheck(folder, Long.MAX_VALUE).run().verdict()).isEqualTo(Verdict.NOTE);
        assertThat(new StoreCheck(folder.resolve("new/store"), 0).run().verdict())
                .isEqualTo(Verdict.OK);
        assertThat(new StoreCheck(file.resolve("store"), 0).run().verdict())
                .isEqualTo(Verdict.PROBLEM);
    }

    @Test
    void wrongPathIsNoGuest() {
        assertThatExceptionOfType(NotFoundException.class)
                .isThrownBy(
                        () -> Doctor.examine(GuestAddress.of(folder.resolve("none")), folder, true))
                .withMessageContaining(folder.resolve("none").toString());
    }

    private Diagnosis examine(TinyQemu qemu) throws Exception {
        return Doctor.examine(GuestAddress.of(qemu.socket), folder, true);
    }

    private static List<EngineName> usable(Diagnosis diagnosis) {
        return diagnosis.engines().stream()
                .filter(EngineDiagnosis::usable)
                .map(EngineDiagnosis::engine)
                .toList();
    }

    private static Finding finding(Diagnosis diagnosis, String what) {
        return diagnosis.guest().stream()
                .filter(finding -> finding.what().equals(what))
                .findFirst()
                .orElseThrow();
    }

    private static String migrationSettings(TinyQemu qemu) throws Exception {
        try (QmpClient qmp = qemu.connect()) {
            JsonNode capabilities = qmp.execute("query-migrate-capabilities");
            return capabilities + " " + qmp.execute("query-migrate-parameters");
        }
    }
}
