package org.vmckpt.core.store;

import java.time.DayOfWeek;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.time.temporal.ChronoUnit;
import java.time.temporal.TemporalAdjusters;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.vmckpt.core.Manifest;

/**
 * Keeps the newest checkpoint of each of the last hours, days and weeks that have one. Counts may
 * be 0. Weeks begin on Monday.
 *
 * @param zone whose days these are
 */
public record KeepPeriods(int hourly, int daily, int weekly, ZoneId zone) {
    static final KeepPeriods NONE = new KeepPeriods(0, 0, 0, ZoneId.of("UTC"));

    public KeepPeriods {
        if (hourly < 0 || daily < 0 || weekly < 0) {
            throw new IllegalArgumentException("counts are 0 or more");
        }
    }

    boolean isNone() {
        return hourly == 0 && daily == 0 && weekly == 0;
    }

    Set<Manifest> kept(List<Manifest> newestFirst) {
        Set<Manifest> kept = new HashSet<>();
        keep(hourly, newestFirst, time -> time.truncatedTo(ChronoUnit.HOURS), kept);
        keep(daily, newestFirst, time -> time.truncatedTo(ChronoUnit.DAYS), kept);
        keep(weekly, newestFirst, KeepPeriods::startOfWeek, kept);
        return kept;
    }

    private static ZonedDateTime startOfWeek(ZonedDateTime time) {
        return time.truncatedTo(ChronoUnit.DAYS)
                .with(TemporalAdjusters.previousOrSame(DayOfWeek.MONDAY));
    }

    private void keep(
            int count,
            List<Manifest> newestFirst,
            UnaryOperator<ZonedDateTime> start,
            Set<Manifest> kept) {
        // Instants: an hour that summer time repeats is two hours.
        Set<Instant> periods = new HashSet<>();
        for (Manifest manifest : newestFirst) {
            Instant period = start.apply(manifest.createdAt().atZone(zone)).toInstant();
            if (periods.size() < count && periods.add(period)) {
                kept.add(manifest);
            }
        }
    }
}
