package org.vmckpt.testvm.bench;

import java.time.Duration;
import org.vmckpt.testvm.ConsoleLine;
import org.vmckpt.testvm.GuestConsole;
import org.vmckpt.testvm.Rate;
import org.vmckpt.testvm.TestDisk;
import org.vmckpt.testvm.TestGuest;
import org.vmckpt.testvm.TestGuestBuilder;
import org.vmckpt.testvm.TestGuestException;
import org.vmckpt.testvm.Workload;

/**
 * A guest that is measured: 2 vCPUs and 2 disks, shared memory, a quarter of it filled with data.
 *
 * @param loaded whether that quarter, and the disks, are written flat out; in every guest one
 *     thread touches pages at a steady rate and tells how long it was kept waiting
 */
record GuestKind(long memoryBytes, boolean loaded) {
    private static final long MIB = 1L << 20;
    private static final long GIB = 1L << 30;
    private static final long DISK_BYTES = 64 * MIB;
    private static final long STALL_REGION_BYTES = 16 * MIB;
    private static final Rate STALL_RATE = Rate.perSecond(1000);
    private static final Duration VERIFY_LIMIT = Duration.ofMinutes(10);
    private static final Duration WARM_LIMIT = Duration.ofMinutes(5);

    /** Ticks, four a second: what the boot does late is over by then. */
    private static final int WARM_TICKS = 12;

    String label() {
        return size(memoryBytes) + (loaded ? " loaded" : " idle");
    }

    static String size(long bytes) {
        return bytes % GIB == 0 ? bytes / GIB + " GiB" : bytes / MIB + " MiB";
    }

    /** Returns when the guest does what it is to do while it is measured. */
    TestGuest start() {
        return start(memoryBytes, workload());
    }

    /** The same guest with another workload; one that fills its region. */
    static TestGuest start(long memoryBytes, Workload workload) {
        return start(builder(memoryBytes, workload));
    }

    /** The same, but no page changes that the workload does not write: khugepaged moves many. */
    static TestGuest startStill(long memoryBytes, Workload workload) {
        return start(builder(memoryBytes, workload).kernelParameter("transparent_hugepage=never"));
    }

    private static TestGuestBuilder builder(long memoryBytes, Workload workload) {
        return TestGuest.builder()
                .memory(memoryBytes)
                .disk(TestDisk.raw(DISK_BYTES))
                .disk(TestDisk.qcow2(DISK_BYTES).asBlockdev())
                .workload(workload);
    }

    private static TestGuest start(TestGuestBuilder builder) {
        TestGuest guest = builder.start();
        boolean warm = false;
        try {
            guest.awaitBoot();
            awaitWarm(guest.console());
            warm = true;
            return guest;
        } finally {
            if (!warm) {
                guest.close();
            }
        }
    }

    private Workload workload() {
        long regionBytes = memoryBytes / 4;
        Workload workload = loaded ? Workload.flatOut(regionBytes) : Workload.idle(regionBytes);
        return workload.filled().stall(STALL_REGION_BYTES, STALL_RATE);
    }

    /** A number that was got by damaging the guest is none. */
    static void requireSound(GuestConsole console, String label) {
        ConsoleLine.Verdict verdict = console.verify(VERIFY_LIMIT);
        if (verdict.errors() != 0 || console.errors() != 0) {
            throw new TestGuestException(
                    "the guest %s found %d errors in its memory or disks: %s"
                            .formatted(label, console.errors(), console.faults()));
        }
    }

    static void awaitWarm(GuestConsole console) {
        console.awaitTick(
                tick -> tick.counter() > WARM_TICKS && tick.memoryPasses() > 0,
                "a guest that is warm",
                WARM_LIMIT);
    }
}
