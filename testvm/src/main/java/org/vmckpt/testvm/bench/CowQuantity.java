package org.vmckpt.testvm.bench;

/** What {@link CowSuite} and {@link LibvirtSuite} measure. */
enum CowQuantity {
    PAUSE("pause", "ms"),
    STALL_P50("stall p50", "us"),
    STALL_P99("stall p99", "us"),
    STALL_P999("stall p99.9", "us"),
    STALL_LONGEST("guest's longest stall", "us"),
    WINDOW_P999("stall p99.9 around the window", "us"),
    WINDOW_LOST("guest writes lost around the window", "pages"),
    LOST("guest writes lost", "pages"),
    FAULT_P50("fault service p50", "us"),
    FAULT_P99("fault service p99", "us"),
    DISK_LONGEST("guest's longest disk request", "ms"),
    WINDOW("copy window", "ms"),
    DURABLE("time to durable", "ms"),
    ALL("time of all", "ms"),
    BYTES("bytes saved", "MiB"),
    ALONE("changed pages, compressed alone", "MiB"),
    DIRTY("pages that changed", "%");

    private final String label;
    private final String unit;

    CowQuantity(String label, String unit) {
        this.label = label;
        this.unit = unit;
    }

    String label() {
        return label;
    }

    String unit() {
        return unit;
    }
}
