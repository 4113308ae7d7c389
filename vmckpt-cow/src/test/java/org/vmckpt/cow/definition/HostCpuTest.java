package org.vmckpt.cow.definition;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class HostCpuTest {
    @Test
    void flagsOfTheFirstCpuAreSorted() {
        String cpuinfo =
                """
                processor\t: 0
                flags\t\t: sse2 fpu vme
                processor\t: 1
                flags\t\t: other
                """;
        assertThat(HostCpu.parse(cpuinfo)).containsExactly("fpu", "sse2", "vme");
    }

    @Test
    void armCallsThemFeatures() {
        assertThat(HostCpu.parse("Features\t: fp asimd\n")).containsExactly("asimd", "fp");
    }

    @Test
    void anUnknownFormGivesNone() {
        assertThat(HostCpu.parse("model name : x\n")).isEmpty();
    }
}
