package org.vmckpt.core.store;

import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.VmckptException;

/**
 * Which checkpoints of a series are kept: the newest ones, those of some time, or both; always the
 * newest.
 *
 * <p>A <em>series</em> is what one guest, at one monitor socket, got under one series name. Only
 * members of it are ever removed, and of these none that has a name: a checkpoint without a series
 * was asked for by itself, and a name is somebody's wish to find it again.
 *
 * @param keepCount how many of the newest are kept
 * @param keepFor how long each one is kept
 * @param periods of how many hours, days and weeks the newest is kept
 */
public record Retention(OptionalInt keepCount, Optional<Duration> keepFor, KeepPeriods periods) {
    private static final Comparator<Manifest> NEWEST_FIRST =
            Comparator.comparing(Manifest::createdAt).thenComparing(Manifest::id).reversed();

    public Retention {
        if (keepCount.isPresent() && keepCount.getAsInt() < 1) {
            throw new IllegalArgumentException("the newest is always kept: " + keepCount);
        }
        if (keepCount.isEmpty() && keepFor.isEmpty() && periods.isNone()) {
            throw new IllegalArgumentException("say how many to keep, or for how long");
        }
    }

    public Retention(OptionalInt keepCount, Optional<Duration> keepFor) {
        this(keepCount, keepFor, KeepPeriods.NONE);
    }

    public static Retention newest(int count) {
        return new Retention(OptionalInt.of(count), Optional.empty());
    }

    public static Retention lasting(Duration time) {
        return new Retention(OptionalInt.empty(), Optional.of(time));
    }

    /**
     * What to remove. A checkpoint is kept when one of the rules keeps it.
     *
     * @param all checkpoints, of any guest and series
     * @param member a checkpoint of the series; without one nothing is removed
     */
    public List<Manifest> expired(Collection<Manifest> all, Manifest member, Instant now) {
        List<Manifest> series =
                all.stream()
                        .filter(manifest -> isSameSeries(manifest, member))
                        .sorted(NEWEST_FIRST)
                        .toList();
        List<Manifest> old =
                series.subList(Math.min(series.size(), keepCount.orElse(1)), series.size());
        Set<Manifest> kept = periods.kept(series);
        return old.stream()
                .filter(manifest -> manifest.name().isEmpty())
                .filter(manifest -> !kept.contains(manifest))
                .filter(manifest ->
                        keepFor.isEmpty() || isOlder(manifest, now.minus(keepFor.get())))
                .toList();
    }

    private static boolean isOlder(Manifest manifest, Instant limit) {
        return manifest.createdAt().isBefore(limit);
    }

    private static boolean isSameSeries(Manifest one, Manifest other) {
        return one.series().isPresent()
                && one.series().equals(other.series())
                && one.guest().isSameGuest(other.guest());
    }

    /**
     * Removes what is not to be kept, and the segments that nothing needs any more. Works while the
     * store is in use; segments then go the next time.
     *
     * @param member the newest checkpoint of the series, say
     */
    public Applied apply(Store store, Manifest member, Instant now) throws VmckptException {
        List<CheckpointId> removed =
                expired(store.list(), member, now).stream().map(Manifest::id).toList();
        store.unlist(removed);
        return new Applied(removed, store.clean());
    }

    /** What was removed. */
    public record Applied(List<CheckpointId> removed, CleanReport cleaned) {
        public Applied {
            removed = List.copyOf(removed);
        }
    }
}
