package org.vmckpt.cow.restore;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.vmckpt.core.Manifest.GuestDefinition;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.definition.QemuCommandLine;
import org.vmckpt.cow.definition.QemuOption;

class HostCapabilitiesTest {
    private static void check(
            HostCapabilities host, String accelerator, QemuOption.Origin origin, String cpu)
            throws VmckptException {
        List<String> arguments = List.of("-cpu", cpu);
        GuestDefinition guest =
                new GuestDefinition(
                        "vm",
                        "",
                        "7.2.22",
                        "",
                        "/usr/bin/qemu-system-x86_64",
                        arguments,
                        "/",
                        "pc-i440fx-7.2",
                        accelerator,
                        List.of("avx", "avx512f", "fpu"),
                        "/qmp",
                        1,
                        true);
        Problems problems = new Problems();
        host.check(guest, QemuCommandLine.parse(arguments, origin), problems);
        problems.throwIfAny("restore");
    }

    private static final HostCapabilities OLDER_CPU =
            new HostCapabilities(true, Set.of("fpu", "avx"));

    @Test
    void aKvmGuestNeedsKvm() {
        HostCapabilities none = new HostCapabilities(false, Set.of("avx", "avx512f", "fpu"));
        assertThatThrownBy(() -> check(none, "kvm", QemuOption.Origin.RECORDED, "qemu64"))
                .isInstanceOf(UnsupportedException.class)
                .hasMessageContaining("/dev/kvm");
    }

    @Test
    void aGuestThatSeesItsHostsCpuNeedsItsFeatures() {
        for (String cpu : List.of("host", "host,migratable=on", "max")) {
            assertThatThrownBy(() -> check(OLDER_CPU, "kvm", QemuOption.Origin.RECORDED, cpu))
                    .isInstanceOf(UnsupportedException.class)
                    .hasMessageContaining("lacks avx512f")
                    .hasMessageContaining("--arg \"-cpu");
        }
    }

    @Test
    void namedModelsGivenModelsAndEmulationDoNotDependOnIt() {
        assertThatCode(() -> check(OLDER_CPU, "kvm", QemuOption.Origin.RECORDED, "qemu64"))
                .doesNotThrowAnyException();
        assertThatCode(() -> check(OLDER_CPU, "kvm", QemuOption.Origin.GIVEN, "host"))
                .doesNotThrowAnyException();
        assertThatCode(() -> check(OLDER_CPU, "tcg", QemuOption.Origin.RECORDED, "max"))
                .doesNotThrowAnyException();
    }
}
