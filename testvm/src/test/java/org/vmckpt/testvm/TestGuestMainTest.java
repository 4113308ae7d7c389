package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import picocli.CommandLine;

final class TestGuestMainTest {
    @Test
    void sizesTakeUnits() {
        assertThat(TestGuestMain.parseBytes("4096")).isEqualTo(4096);
        assertThat(TestGuestMain.parseBytes("3K")).isEqualTo(3 << 10);
        assertThat(TestGuestMain.parseBytes("512M")).isEqualTo(512L << 20);
        assertThat(TestGuestMain.parseBytes("8G")).isEqualTo(8L << 30);
    }

    @Test
    void diskIsSizeFormatAndAttachment() {
        assertThat(TestGuestMain.parseDisk("64M:qcow2")).isEqualTo(TestDisk.qcow2(64 << 20));
        assertThat(TestGuestMain.parseDisk("1G:raw:blockdev"))
                .isEqualTo(TestDisk.raw(1 << 30).asBlockdev());
    }

    @Test
    void badArgumentIsAUsageErrorBeforeAnythingStarts() {
        assertThat(new CommandLine(new TestGuestMain()).execute("--memory", "12T"))
                .isEqualTo(CommandLine.ExitCode.USAGE);
    }

    @Test
    void otherTextIsRefused() {
        assertThatThrownBy(() -> TestGuestMain.parseBytes("12T"))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> TestGuestMain.parseDisk("64M"))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Rate("much")).isInstanceOf(IllegalArgumentException.class);
    }
}
