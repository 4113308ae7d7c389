package org.vmckpt.testvm.bench;

/** Leaves the guest alone for a while: shows how long it stalls anyway on this machine. */
final class Undisturbed implements Contender {
    static final String NAME = "undisturbed";

    private static final long WHILE_MILLIS = 1500;

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Measurement measure() throws InterruptedException {
        Thread.sleep(WHILE_MILLIS);
        return Measurement.NOTHING;
    }
}
