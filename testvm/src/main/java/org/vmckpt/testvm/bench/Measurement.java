package org.vmckpt.testvm.bench;

import java.util.OptionalDouble;

/**
 * What one contender's turn took, in milliseconds; empty is what the contender does not have.
 *
 * @param pause from QEMU's STOP event to its RESUME event
 * @param copyWindow how long memory was still being copied after the guest had gone on
 * @param durable from the stop until everything was on disk
 * @param detail for people who look into a single run
 */
record Measurement(
        OptionalDouble pause, OptionalDouble copyWindow, OptionalDouble durable, String detail) {
    static final Measurement NOTHING =
            new Measurement(OptionalDouble.empty(), OptionalDouble.empty(), OptionalDouble.empty());

    Measurement(OptionalDouble pause, OptionalDouble copyWindow, OptionalDouble durable) {
        this(pause, copyWindow, durable, "");
    }
}
