package org.vmckpt.cow.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.cow.definition.QemuCommandLine;
import org.vmckpt.cow.definition.QemuOption.Origin;
import org.vmckpt.cow.memory.HugePagePool;

class HugePageDemandTest {
    private static final long MIB = 1 << 20;
    private static final long HUGE = 2 * MIB;
    private static final List<MemoryBlock> BLOCKS =
            List.of(
                    new MemoryBlock("mem0", 64 * MIB, 4096, List.of()),
                    new MemoryBlock("/objects/mem1", 6 * MIB, 4096, List.of()));

    @Test
    void backendsInHugePagesAreCountedByTheSizeThatTheCheckpointKnows() throws Exception {
        assertThat(demand("memory-backend-memfd,id=mem0,size=64M,hugetlb=on,hugetlbsize=2M"))
                .isEqualTo(32);
        assertThat(demand("memory-backend-memfd,id=mem1,size=6M,hugetlb=yes,hugetlbsize=2048K"))
                .isEqualTo(3);
        assertThat(
                        demand(
                                """
                                {"qom-type":"memory-backend-memfd","id":"mem0","size":67108864,\
                                "hugetlb":true,"hugetlbsize":2097152}\
                                """))
                .isEqualTo(32);
        assertThat(
                        demand(
                                "memory-backend-memfd,id=mem0,hugetlb=on,hugetlbsize=2M",
                                "memory-backend-memfd,id=mem1,hugetlb=on,hugetlbsize=2M"))
                .isEqualTo(35);
    }

    @Test
    void otherObjectsTakeNone() throws Exception {
        assertThat(
                        demand(
                                "memory-backend-memfd,id=mem0,size=64M,share=on",
                                "memory-backend-memfd,id=mem1,hugetlb=off,hugetlbsize=2M",
                                "memory-backend-file,id=mem0,mem-path=/dev/shm/x,size=64M",
                                "memory-backend-file,id=mem0,mem-path=/no/such/folder/x,size=64M",
                                "rng-random,id=mem0,filename=/dev/urandom"))
                .isZero();
    }

    private static long demand(String... objects) throws Exception {
        List<String> arguments =
                Arrays.stream(objects).flatMap(o -> Stream.of("-object", o)).toList();
        return HugePageDemand.of(QemuCommandLine.parse(arguments, Origin.RECORDED), BLOCKS)
                .count(HUGE);
    }

    @Test
    void sizesAreReadAsQemuWritesThem() {
        assertThat(HugePageDemand.bytes("2097152")).contains(HUGE);
        assertThat(HugePageDemand.bytes("2M")).contains(HUGE);
        assertThat(HugePageDemand.bytes("2048k")).contains(HUGE);
        assertThat(HugePageDemand.bytes("1G")).contains(1024 * MIB);
        assertThat(HugePageDemand.bytes("")).isEmpty();
        assertThat(HugePageDemand.bytes("many")).isEmpty();
    }

    @Test
    void whatIsMissingIsNamedWithTheCommandThatReservesIt() {
        Problems problems = new Problems();
        HugePageDemand.check(new HugePagePool(HUGE, 100, 50, 10, 0, 0), 96, problems);
        assertThatThrownBy(() -> problems.throwIfAny("restore"))
                .isInstanceOf(UnsupportedException.class)
                .hasMessageContainingAll(
                        "96 huge pages of 2048 kB",
                        "has 40 to give",
                        "56 are missing",
                        "echo 156 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
    }

    @Test
    void pagesThatTheKernelMayStillMakeCount() {
        Problems problems = new Problems();
        HugePageDemand.check(new HugePagePool(HUGE, 104, 40, 0, 60, 4), 96, problems);
        assertThatCode(() -> problems.throwIfAny("restore")).doesNotThrowAnyException();
    }
}
