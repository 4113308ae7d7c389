package org.vmckpt.cow.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.cow.linux.GuestFile;
import org.vmckpt.cow.linux.NativeBuffer;

class MemoryPartsTest {
    private static final String MTREE =
            """
            FlatView #0
             AS "memory", root: system
              0000000000000000-00000000000bffff (prio 0, ram): mem0
              00000000000c0000-00000000000dffff (prio 1, rom): pc.rom
              0000000100000000-000000013fffffff (prio 0, ram): mem1 @0000000000100000 KVM
              0000000140000000-000000017fffffff (prio 0, ram): /objects/dimm0
            """;

    @Test
    void backendsAreFoundInTheFlatViewWithTheirOffsets() {
        assertThat(FlatView.placeOf("mem0", MTREE)).contains(new FlatView.Place(0, 0));
        assertThat(FlatView.placeOf("mem1", MTREE))
                .contains(new FlatView.Place(0x100000000L, 0x100000));
        assertThat(FlatView.placeOf("dimm0", MTREE)).contains(new FlatView.Place(0x140000000L, 0));
        assertThat(FlatView.placeOf("pc.rom", MTREE)).isEmpty();
        assertThat(FlatView.placeOf("mem", MTREE)).isEmpty();
    }

    @Test
    void hostAddressIsTakenFromTheMonitorsSentence() throws Exception {
        assertThat(GuestMemory.hostAddress("Host virtual address for 0x0 (mem0) is 0x7f664ffff000"))
                .isEqualTo(0x7f664ffff000L);
        assertThatThrownBy(() -> GuestMemory.hostAddress("No memory is mapped at address 0x0"))
                .isInstanceOf(ProtocolException.class)
                .hasMessageContaining("No memory is mapped");
    }

    @Test
    void mapsLinesAreParsedWithAndWithoutAName() {
        ProcessMapping memfd =
                ProcessMapping.parse(
                        "7f664ffff000-7f6657fff000 rw-s 00002000 00:01 65      "
                                + "/memfd:memory-backend-memfd (deleted)");
        assertThat(memfd.isShared()).isTrue();
        assertThat(memfd.isWritable()).isTrue();
        assertThat(memfd.fileOffset()).isEqualTo(0x2000);
        assertThat(memfd.inode()).isEqualTo(65);
        assertThat(memfd.path()).isEqualTo("/memfd:memory-backend-memfd (deleted)");
        assertThat(memfd.contains(0x7f664ffff000L)).isTrue();
        assertThat(memfd.contains(0x7f6657fff000L)).isFalse();
        assertThat(memfd.mapFile(9)).hasToString("/proc/9/map_files/7f664ffff000-7f6657fff000");
        ProcessMapping heap = ProcessMapping.parse("55d000-55e000 rw-p 00000000 00:00 0 ");
        assertThat(heap.isShared()).isFalse();
        assertThat(heap.path()).isEmpty();
        assertThat(heap.hasSameFileAs(heap)).isFalse();
        ProcessMapping vsyscall =
                ProcessMapping.parse(
                        "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0    [vsyscall]");
        assertThat(vsyscall.contains(0xffffffffff600000L)).isTrue();
    }

    @Test
    void searchForSharedMappingsFindsWhatALookAtEachLineFinds() throws Exception {
        long pid = ProcessHandle.current().pid();
        try (GuestFile file = GuestFile.createInMemory("shared", 8192);
                NativeBuffer mapping = file.map(8192)) {
            List<ProcessMapping> expected =
                    ProcessMapping.of(pid).stream()
                            .filter(line -> line.isShared() && line.isWritable())
                            .toList();
            assertThat(expected).anyMatch(line -> line.contains(mapping.address()));
            for (int size : new int[] {1000, 4096, 1 << 20}) {
                assertThat(ProcessMapping.sharedWritable(pid, new byte[size])).isEqualTo(expected);
            }
        }
    }

    @Test
    void poolHasMemoryReadyForWhatIsExpectedAndGivesItBack() throws Exception {
        int slots = 1024;
        try (SlotPool pool = new SlotPool(slots, Slot.PAGES, 4, () -> false)) {
            pool.prepare(128L << 20);
            assertThat(pool.populatedBytes()).isBetween(160L << 20, 200L << 20);
            pool.prepare(100L << 20);
            assertThat(pool.populatedBytes()).isBetween(160L << 20, 200L << 20);
            pool.prepare(0);
            assertThat(pool.populatedBytes()).isBetween(32L << 20, 40L << 20);
            pool.prepare(Long.MAX_VALUE / 2);
            assertThat(pool.populatedBytes()).isEqualTo(pool.sizeBytes());
        }
    }

    @Test
    void fullSlotsMayWaitOnlyAsLongAsTheRestHasRoom() throws Exception {
        int slots = 64;
        try (SlotPool pool = new SlotPool(slots, Slot.PAGES, 4, () -> false)) {
            pool.prepare(32L * Slot.BYTES);
            takeAll(pool, 36);
            // Fewer than half are free, and no more are to come.
            assertThat(pool.hasMuchRoom()).isTrue();
            pool.expect(64L * Slot.BYTES);
            assertThat(pool.hasMuchRoom()).isFalse();
            assertThat(pool.isTight(false)).isFalse();
            takeAll(pool, 24);
            assertThat(pool.isTight(false)).isTrue();
            assertThat(pool.peakBytes()).isEqualTo(60L * Slot.BYTES);
        }
    }

    private static void takeAll(SlotPool pool, int count) {
        for (int i = 0; i < count; i++) {
            assertThat(pool.tryTake()).isNotNull();
        }
    }

    @Test
    void bucketsOfServiceTimesAreAtMostAnEighthTooCoarse() {
        for (long nanos = 0; nanos < 1L << 40; nanos = nanos * 9 / 8 + 1) {
            long upper = ServiceTimes.upperEndOf(ServiceTimes.bucketOf(nanos));
            assertThat(upper).isBetween(nanos, nanos + nanos / 8 + 1);
        }
        assertThat(ServiceTimes.upperEndOf(ServiceTimes.bucketOf(Long.MAX_VALUE)))
                .isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void quantilesComeFromTheRecordedTimes() {
        ServiceTimes times = new ServiceTimes();
        assertThat(times.quantileMicros(0.5)).isZero();
        for (int i = 1; i <= 100; i++) {
            times.record(i * 1000L);
        }
        assertThat(times.count()).isEqualTo(100);
        assertThat(times.quantileMicros(0.5)).isBetween(50.0, 57.0);
        assertThat(times.quantileMicros(0.99)).isBetween(99.0, 100.0);
        assertThat(times.maxMicros()).isEqualTo(100.0);
    }

    @Test
    void pageChangesStateOnceAndRunsEndAtPagesInAnother() {
        PageStates states = new PageStates(10);
        assertThat(states.change(4, PageStates.LOOSE, PageStates.ARMED)).isTrue();
        assertThat(states.change(4, PageStates.LOOSE, PageStates.ARMED)).isFalse();
        assertThat(states.changeRun(0, 10, PageStates.LOOSE, PageStates.ARMED)).isEqualTo(4);
        assertThat(states.next(PageStates.LOOSE, 0, 10)).isEqualTo(5);
        assertThat(states.changeRun(5, 8, PageStates.LOOSE, PageStates.ARMED)).isEqualTo(3);
        states.set(0, 8, PageStates.CLEAN);
        assertThat(states.get(4)).isEqualTo(PageStates.CLEAN);
        assertThat(states.get(8)).isEqualTo(PageStates.LOOSE);
    }

    @Test
    void searchFindsWhatALookAtEachPageFinds() {
        long seed = new Random().nextLong();
        Random random = new Random(seed);
        for (int i = 0; i < 1000; i++) {
            byte[] pages = new byte[random.nextInt(1, 71)];
            // Few values make long runs of one, many make short ones.
            int values = random.nextInt(1, 7);
            PageStates states = new PageStates(pages.length);
            for (int page = 0; page < pages.length; page++) {
                pages[page] = (byte) random.nextInt(values);
                states.set(page, 1, pages[page]);
            }
            byte wanted = (byte) random.nextInt(6);
            int first = random.nextInt(pages.length + 1);
            int expected = first;
            while (expected < pages.length && pages[expected] != wanted) {
                expected++;
            }
            assertThat(states.next(wanted, first, pages.length))
                    .as("seed %d, %d from %d in %s", seed, wanted, first, Arrays.toString(pages))
                    .isEqualTo(expected);
            boolean same = true;
            for (byte page : pages) {
                same &= page == wanted;
            }
            assertThat(states.all(wanted, pages.length))
                    .as("seed %d, all %d in %s", seed, wanted, Arrays.toString(pages))
                    .isEqualTo(same);
        }
    }

    @Test
    void ringIsBoundedAndFirstInFirstOut() {
        IntRing ring = new IntRing(4);
        for (int i = 0; i < 4; i++) {
            assertThat(ring.offer(i)).isTrue();
        }
        assertThat(ring.offer(4)).isFalse();
        assertThat(ring.size()).isEqualTo(4);
        for (int i = 0; i < 4; i++) {
            assertThat(ring.poll()).isEqualTo(i);
        }
        assertThat(ring.poll()).isEqualTo(IntRing.NONE);
    }

    @Test
    void ringWithRoomForEachValueNeverLooksFull() throws Exception {
        int rounds = 1_000_000;
        IntRing ring = new IntRing(2);
        ring.offer(0);
        ring.offer(1);
        AtomicIntegerArray refused = new AtomicIntegerArray(1);
        List<Thread> threads = new ArrayList<>();
        for (int t = 0; t < 4; t++) {
            threads.add(
                    Thread.ofPlatform()
                            .start(() -> {
                                for (int i = 0; i < rounds; i++) {
                                    int value = ring.poll();
                                    if (value != IntRing.NONE && !ring.offer(value)) {
                                        refused.incrementAndGet(0);
                                    }
                                }
                            }));
        }
        for (Thread thread : threads) {
            thread.join();
        }
        assertThat(refused.get(0)).isZero();
        assertThat(ring.size()).isEqualTo(2);
    }

    @Test
    void ringGivesEachValueToOneOfManyThreads() throws Exception {
        int values = 100_000;
        IntRing ring = new IntRing(64);
        AtomicIntegerArray seen = new AtomicIntegerArray(values);
        AtomicIntegerArray taken = new AtomicIntegerArray(1);
        List<Thread> threads = new ArrayList<>();
        for (int t = 0; t < 2; t++) {
            int first = t;
            threads.add(
                    Thread.ofPlatform()
                            .start(() -> {
                                for (int i = first; i < values; i += 2) {
                                    while (!ring.offer(i)) {
                                        Thread.onSpinWait();
                                    }
                                }
                            }));
            threads.add(
                    Thread.ofPlatform()
                            .start(() -> {
                                while (taken.get(0) < values) {
                                    int value = ring.poll();
                                    if (value != IntRing.NONE) {
                                        seen.incrementAndGet(value);
                                        taken.incrementAndGet(0);
                                    }
                                }
                            }));
        }
        for (Thread thread : threads) {
            thread.join();
        }
        for (int i = 0; i < values; i++) {
            assertThat(seen.get(i)).isOne();
        }
    }
}
