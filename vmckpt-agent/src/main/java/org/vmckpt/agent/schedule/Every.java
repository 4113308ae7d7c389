package org.vmckpt.agent.schedule;

import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import org.vmckpt.core.HumanDuration;

/** Due so long after the last time. */
public record Every(Duration interval) implements Timing {
    public Every {
        if (interval.compareTo(SHORTEST) < 0) {
            throw new IllegalArgumentException("expected a duration of 100ms or more");
        }
    }

    @Override
    public Instant nextAfter(Optional<Instant> last, Instant now) {
        return last.map(time -> time.plus(interval)).orElse(now);
    }

    @Override
    public String text() {
        return "every " + HumanDuration.format(interval);
    }
}
