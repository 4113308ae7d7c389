package org.vmckpt.cow.memory;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.vmckpt.core.UnsupportedException;

/** Kernels that are not at hand, told by their userfaultfd feature bits. */
class KernelFeaturesTest {
    /** What Linux 5.18 offers: write protection, but not of shared memory. */
    private static final long LINUX_5_18 = 0x0fff;

    private static final long LINUX_5_19 = 0x1fff;

    @Test
    void kernelThatCannotProtectSharedMemoryIsRefusedWithTheVersionThatCan() {
        assertThatThrownBy(() -> UffdAttachment.requireSharedProtection(LINUX_5_18))
                .isInstanceOf(UnsupportedException.class)
                .hasMessageContainingAll("0xfff", "shared memory", "Linux 5.19");
    }

    @Test
    void kernelThatCanIsTaken() {
        assertThatCode(() -> UffdAttachment.requireSharedProtection(LINUX_5_19))
                .doesNotThrowAnyException();
    }
}
