package org.vmckpt.cow.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.UnsupportedException;

/** Memory in huge pages of hugetlbfs, which looks like any memfd or file at first sight. */
@Timeout(180)
final class HugePagesIT {
    /** 64 MiB of guest memory. */
    private static final int NEEDED = 32;

    private static final int GIGANTIC_BYTES = 1 << 30;

    @AutoClose static FileChannel turn;

    @BeforeAll
    static void awaitTurn() throws Exception {
        turn = HugePages.awaitTurn();
    }

    @TempDir Path folder;

    @Test
    void memfdIsProtectedByTheHugePageAndStoredByTheSmallOne() throws Exception {
        try (HugePages _ = HugePages.reserve(NEEDED);
                TinyQemu qemu = new TinyQemu(folder, memfd("hugetlbsize=2M,size=64M"))) {
            requireHuge(qemu);
        }
    }

    @Test
    void fileOnHugetlbfsIsLikeTheMemfd() throws Exception {
        try (HugePages _ = HugePages.reserve(NEEDED);
                HugePages.Mount mount = new HugePages.Mount(folder.resolve("huge"));
                TinyQemu qemu =
                        new TinyQemu(
                                folder,
                                "-object",
                                "memory-backend-file,id=ram,share=on,size=64M,mem-path="
                                        + mount.folder.resolve("memory"),
                                "-machine",
                                "memory-backend=ram")) {
            requireHuge(qemu);
        }
    }

    private static void requireHuge(TinyQemu qemu) throws Exception {
        assertThat(qemu.regions())
                .singleElement()
                .satisfies(region -> {
                    assertThat(region.protectionBytes()).isEqualTo(HugePages.BYTES);
                    assertThat(region.pageSizeBytes()).isEqualTo(Slot.PAGE_BYTES);
                    assertThat(region.isHuge()).isTrue();
                });
    }

    @Test
    void pagesOfOneGibibyteAreRefusedWithTheReason() throws Exception {
        try (HugePages _ = HugePages.reserve(GIGANTIC_BYTES, 1);
                TinyQemu qemu =
                        new TinyQemu(folder, memfd("hugetlbsize=1G,size=1G", "-m", "1024"))) {
            assertThatThrownBy(qemu::regions)
                    .isInstanceOf(UnsupportedException.class)
                    .hasMessageContainingAll("ram", "1024 MiB", "hugetlbsize=2M");
        }
    }

    /** Of the helper itself: other tests, or a guest of the host's own, share the pool. */
    @Test
    void whatSomebodyElseReservedMeanwhileStays() throws Exception {
        long before = HugePagePool.of(HugePages.BYTES).total();
        HugePages first = HugePages.reserve(2);
        HugePages second = HugePages.reserve(3);
        first.close();
        assertThat(HugePagePool.of(HugePages.BYTES).total()).isEqualTo(before + 3);
        second.close();
        assertThat(HugePagePool.of(HugePages.BYTES).total()).isEqualTo(before);
    }

    private static String[] memfd(String properties, String... more) {
        String[] options = {
            "-object",
            "memory-backend-memfd,id=ram,share=on,hugetlb=on," + properties,
            "-machine",
            "memory-backend=ram"
        };
        return Stream.of(options, more).flatMap(Arrays::stream).toArray(String[]::new);
    }
}
