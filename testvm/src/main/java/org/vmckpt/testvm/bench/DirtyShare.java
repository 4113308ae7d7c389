package org.vmckpt.testvm.bench;

/** Which part of a guest's pages is written between two checkpoints. */
enum DirtyShare {
    PER_MILLE("0.1 %", 1000),
    PERCENT("1 %", 100),
    TENTH("10 %", 10);

    private final String label;
    private final int divisor;

    DirtyShare(String label, int divisor) {
        this.label = label;
        this.divisor = divisor;
    }

    String label() {
        return label;
    }

    String state() {
        return label + " dirty";
    }

    long pages(long memoryBytes) {
        return memoryBytes / CowLoad.PAGE_BYTES / divisor;
    }
}
