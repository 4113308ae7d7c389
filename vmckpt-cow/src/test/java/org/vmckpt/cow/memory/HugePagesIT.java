package org.vmckpt.cow.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.UnsupportedException;

/** Memory in huge pages of hugetlbfs, which looks like any memfd at first sight. */
final class HugePagesIT {
    private static final Path RESERVED = Path.of("/proc/sys/vm/nr_hugepages");

    /** 64 MiB of guest memory. */
    private static final int NEEDED = 32;

    @TempDir Path folder;

    private long before;

    @BeforeEach
    void reserve() throws Exception {
        before = reserved();
        Files.writeString(RESERVED, Long.toString(before + NEEDED));
        assertThat(reserved()).as("free memory in one piece").isEqualTo(before + NEEDED);
    }

    @AfterEach
    void giveBack() throws Exception {
        Files.writeString(RESERVED, Long.toString(before));
    }

    private static long reserved() throws Exception {
        // In one read, as the kernel wants it; readString begins with a single byte.
        try (InputStream file = Files.newInputStream(RESERVED)) {
            byte[] text = new byte[32];
            int length = file.read(text);
            return Long.parseLong(new String(text, 0, length, StandardCharsets.US_ASCII).strip());
        }
    }

    @Test
    void memfdInHugePagesIsRefusedWithTheReason() throws Exception {
        try (TinyQemu qemu =
                new TinyQemu(
                        folder,
                        "-object",
                        "memory-backend-memfd,id=ram,share=on,size=64M,hugetlb=on,hugetlbsize=2M",
                        "-machine",
                        "memory-backend=ram")) {
            assertThatThrownBy(qemu::regions)
                    .isInstanceOf(UnsupportedException.class)
                    .hasMessageContainingAll("ram", "4 KiB");
        }
    }
}
