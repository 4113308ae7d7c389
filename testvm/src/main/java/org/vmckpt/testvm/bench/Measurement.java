package org.vmckpt.testvm.bench;

import java.time.Instant;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;

/**
 * What one contender's turn took, in milliseconds; empty is what the contender does not have.
 *
 * @param stopped when QEMU said STOP
 * @param pause from QEMU's STOP event to its RESUME event
 * @param copyWindow how long memory was still being copied after the guest had gone on
 * @param durable from the stop until everything was on disk
 * @param savedBytes what was stored, or written where it would be stored
 * @param pauseParts where the pause went, in milliseconds, in their order
 * @param own what the contender measured inside itself
 * @param detail for people who look into a single run
 */
record Measurement(
        Optional<Instant> stopped,
        OptionalDouble pause,
        OptionalDouble copyWindow,
        OptionalDouble durable,
        OptionalLong savedBytes,
        Map<String, Double> pauseParts,
        Map<CowQuantity, Double> own,
        String detail) {
    static final Measurement NOTHING =
            new Measurement(
                    Optional.empty(),
                    OptionalDouble.empty(),
                    OptionalDouble.empty(),
                    OptionalDouble.empty(),
                    OptionalLong.empty());

    Measurement {
        pauseParts = Collections.unmodifiableMap(new LinkedHashMap<>(pauseParts));
        own = Map.copyOf(own);
    }

    Measurement(
            Optional<Instant> stopped,
            OptionalDouble pause,
            OptionalDouble copyWindow,
            OptionalDouble durable,
            OptionalLong savedBytes) {
        this(stopped, pause, copyWindow, durable, savedBytes, Map.of(), Map.of(), "");
    }
}
