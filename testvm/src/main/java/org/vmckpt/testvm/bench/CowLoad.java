package org.vmckpt.testvm.bench;

import java.util.List;
import org.vmckpt.testvm.ConsoleLine;
import org.vmckpt.testvm.GuestConsole;
import org.vmckpt.testvm.Rate;
import org.vmckpt.testvm.Workload;

/** How a guest writes its memory while it is saved. */
enum CowLoad {
    IDLE("idle", 0),
    SLOW("100 MB/s", 100_000_000),
    FAST("1000 MB/s", 1_000_000_000),
    /** As many random pages as the guest can write: what each write has to wait counts. */
    RANDOM("random writes", 0),
    /** Memory in passes, and disks, as fast as the guest can. */
    DISKS("memory and disks flat out", 0);

    static final int PAGE_BYTES = 4096;

    private static final long MIB = 1L << 20;
    private static final long LARGEST_STALL_REGION_BYTES = 128 * MIB;
    private static final Rate TOUCHES = Rate.perSecond(1000);

    private final String label;
    private final long bytesPerSecond;

    CowLoad(String label, long bytesPerSecond) {
        this.label = label;
        this.bytesPerSecond = bytesPerSecond;
    }

    String label() {
        return label;
    }

    /** What is asked of the guest; 0 when there is no such number. */
    long bytesPerSecond() {
        return bytesPerSecond;
    }

    /** What a guest does that can take every load. */
    static Workload workload(long memoryBytes) {
        long quarter = memoryBytes / 4;
        return Workload.idle(quarter)
                .filled()
                .stall(Math.min(quarter, LARGEST_STALL_REGION_BYTES), TOUCHES);
    }

    void apply(GuestConsole console) {
        console.memoryRate(
                this == DISKS ? Rate.FLAT_OUT : Rate.perSecond(bytesPerSecond / PAGE_BYTES));
        console.diskRate(this == DISKS ? Rate.FLAT_OUT : Rate.IDLE);
        console.stallRate(this == RANDOM ? Rate.FLAT_OUT : TOUCHES);
    }

    /** How often the guest has said how much it has written. */
    int reports(GuestConsole console) {
        return this == RANDOM
                ? console.stalls().size()
                : console.lines(ConsoleLine.Tick.class).size();
    }

    /** Writes of pages since the guest's boot, by its latest report. */
    long pagesWritten(GuestConsole console) {
        if (this == RANDOM) {
            return console.stalls().stream().mapToLong(ConsoleLine.Stall::touches).sum();
        }
        List<ConsoleLine.Tick> ticks = console.lines(ConsoleLine.Tick.class);
        return ticks.isEmpty() ? 0 : ticks.getLast().memoryPages();
    }
}
