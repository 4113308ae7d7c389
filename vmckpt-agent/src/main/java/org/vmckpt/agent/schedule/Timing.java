package org.vmckpt.agent.schedule;

import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/** When a schedule is due. */
public sealed interface Timing permits Every, Cron {
    /** Shorter intervals leave no time between two checkpoints. */
    Duration SHORTEST = Duration.ofMillis(100);

    /**
     * The first due time after the last checkpoint; without one, the first that is not before now.
     * It may lie in the past: then the schedule is late.
     */
    Instant nextAfter(Optional<Instant> last, Instant now);

    /** As in the configuration. */
    String text();
}
