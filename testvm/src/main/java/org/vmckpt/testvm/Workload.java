package org.vmckpt.testvm;

/**
 * What the guest does from its boot on; the rates can be changed later by {@link GuestConsole}.
 *
 * @param memoryRegionBytes the part of memory that is rewritten in passes
 * @param fill write the whole region once at boot, whatever the rate
 * @param readRegionBytes the part of memory into which whatever is on the disks is read flat out
 * @param stallRegionBytes the part of memory that the stall thread touches
 */
public record Workload(
        long memoryRegionBytes,
        boolean fill,
        Rate memoryRate,
        Rate diskRate,
        long readRegionBytes,
        long stallRegionBytes,
        Rate stallRate,
        int tickMillis) {
    private static final long STALL_REGION_BYTES = 16L << 20;
    private static final int TICK_MILLIS = 250;

    /** Ticks only; the region is there for a rate that is given later. */
    public static Workload idle(long memoryRegionBytes) {
        return new Workload(
                memoryRegionBytes,
                false,
                Rate.IDLE,
                Rate.IDLE,
                0,
                STALL_REGION_BYTES,
                Rate.IDLE,
                TICK_MILLIS);
    }

    /** Memory and disks as fast as they go. */
    public static Workload flatOut(long memoryRegionBytes) {
        return idle(memoryRegionBytes).memory(Rate.FLAT_OUT).disk(Rate.FLAT_OUT);
    }

    /**
     * Memory and disks all the time, at rates that leave the processors room for others: for tests
     * in which it does not matter how much a guest writes.
     */
    public static Workload busy(long memoryRegionBytes) {
        return idle(memoryRegionBytes).memory(Rate.perSecond(5000)).disk(Rate.perSecond(100));
    }

    /** As busy, but less so: for domains that libvirtd and an agent work beside. */
    public static Workload light(long memoryRegionBytes) {
        return idle(memoryRegionBytes).memory(Rate.perSecond(2000)).disk(Rate.perSecond(20));
    }

    public Workload memory(Rate rate) {
        return new Workload(
                memoryRegionBytes,
                fill,
                rate,
                diskRate,
                readRegionBytes,
                stallRegionBytes,
                stallRate,
                tickMillis);
    }

    public Workload disk(Rate rate) {
        return new Workload(
                memoryRegionBytes,
                fill,
                memoryRate,
                rate,
                readRegionBytes,
                stallRegionBytes,
                stallRate,
                tickMillis);
    }

    /** Reads from all disks into so much memory; what the disks hold is not judged. */
    public Workload reading(long regionBytes) {
        return new Workload(
                memoryRegionBytes,
                fill,
                memoryRate,
                diskRate,
                regionBytes,
                stallRegionBytes,
                stallRate,
                tickMillis);
    }

    public Workload stall(long regionBytes, Rate rate) {
        return new Workload(
                memoryRegionBytes,
                fill,
                memoryRate,
                diskRate,
                readRegionBytes,
                regionBytes,
                rate,
                tickMillis);
    }

    public Workload filled() {
        return new Workload(
                memoryRegionBytes,
                true,
                memoryRate,
                diskRate,
                readRegionBytes,
                stallRegionBytes,
                stallRate,
                tickMillis);
    }

    public Workload tickEvery(int millis) {
        return new Workload(
                memoryRegionBytes,
                fill,
                memoryRate,
                diskRate,
                readRegionBytes,
                stallRegionBytes,
                stallRate,
                millis);
    }

    /** As {@code testvm/image/workload/main.c} reads it from the kernel's command line. */
    String kernelParameters() {
        return "mem.region=%d mem.fill=%d mem.rate=%s disk.fresh=1 disk.rate=%s read.region=%d read.rate=max stall.region=%d stall.rate=%s tick.ms=%d"
                .formatted(
                        memoryRegionBytes,
                        fill ? 1 : 0,
                        memoryRate.text(),
                        diskRate.text(),
                        readRegionBytes,
                        stallRegionBytes,
                        stallRate.text(),
                        tickMillis);
    }
}
