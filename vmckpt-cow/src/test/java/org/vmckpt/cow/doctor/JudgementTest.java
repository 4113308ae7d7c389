package org.vmckpt.cow.doctor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.vmckpt.cow.checkpoint.EngineName;

/** How checks judge hosts that are not at hand. */
class JudgementTest {
    private static final long ALL_FEATURES = 0x1ffff;
    private static final long WP_SHARED = 1 << 12;
    private static final long WP_UNPOPULATED = 1 << 13;
    private static final Set<EngineName> UFFD = Set.of(EngineName.UFFD);

    @Test
    void kernelIsJudgedByItsFeatures() {
        assertThat(KernelCheck.judge("", ALL_FEATURES).verdict()).isEqualTo(Verdict.OK);
        Finding older = KernelCheck.judge("", ALL_FEATURES & ~WP_UNPOPULATED);
        assertThat(older.verdict()).isEqualTo(Verdict.NOTE);
        assertThat(older.found()).contains("Linux 6.4");
        Finding old = KernelCheck.judge("", ALL_FEATURES & ~WP_SHARED);
        assertThat(old.blocked()).isEqualTo(UFFD);
        assertThat(old.remedy().getFirst()).contains("Linux 5.19");
    }

    @Test
    void permissionIsJudgedByCapabilities() {
        assertThat(PermissionCheck.judge(new Capabilities(-1)).verdict()).isEqualTo(Verdict.OK);
        assertThat(PermissionCheck.judge(new Capabilities(1L << 19 | 1L << 40)).verdict())
                .isEqualTo(Verdict.OK);
        Finding user = PermissionCheck.judge(new Capabilities(0));
        assertThat(user.blocked()).isEqualTo(UFFD);
        assertThat(user.found()).contains("CAP_SYS_PTRACE", "CAP_CHECKPOINT_RESTORE");
    }

    @Test
    void securityModulesThatForbidTracingAreNamedWithTheirSwitch() {
        assertThat(tracing("3", "", "").remedy().getFirst()).contains("ptrace_scope");
        assertThat(tracing("", "1 1", "").remedy()).containsExactly("setsebool deny_ptrace off");
        assertThat(tracing("1", "0 0", "Y").verdict()).isEqualTo(Verdict.OK);
        assertThat(tracing("1", "0 0", "Y").found()).contains("AppArmor");
    }

    private static Finding tracing(String yama, String denyPtrace, String appArmor) {
        return TracingCheck.judge(
                Optional.of(yama).filter(text -> !text.isEmpty()),
                Optional.of(denyPtrace).filter(text -> !text.isEmpty()),
                Optional.of(appArmor).filter(text -> !text.isEmpty()));
    }

    @Test
    void engineIsUsableUnlessAFindingBlocksIt() {
        Finding shared = Finding.problem("memory", "private", UFFD, "share it");
        Finding privilege =
                Finding.problem(
                        "confinement",
                        "may not",
                        Set.of(EngineName.UFFD, EngineName.BACKGROUND),
                        "sysctl");
        List<EngineDiagnosis> engines =
                new Diagnosis(List.of(), List.of(shared, privilege)).engines();

        assertThat(engines).extracting(EngineDiagnosis::usable).containsExactly(false, false, true);
        assertThat(engines.getFirst().reasons()).containsExactly("memory", "confinement");
        assertThat(engines.getFirst().remedies()).containsExactly("share it", "sysctl");
    }

    @Test
    void hostIsHealthyOnlyWithUffdButAGuestWithAnyEngine() {
        Finding noUffd = Finding.problem("kernel", "old", UFFD, "new one");

        assertThat(new Diagnosis(List.of(noUffd), List.of()).healthy()).isFalse();
        assertThat(new Diagnosis(List.of(noUffd), List.of(Finding.ok("QEMU", "8"))).healthy())
                .isTrue();
        assertThat(new Diagnosis(List.of(), List.of(Finding.obstacle("disks", "raw"))).healthy())
                .isFalse();
    }

    @Test
    void findingThatBlocksNothingIsNoProblem() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Finding.problem("what", "found", Set.of()));
    }
}
