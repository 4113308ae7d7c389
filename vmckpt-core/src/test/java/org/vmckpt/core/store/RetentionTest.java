package org.vmckpt.core.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.SegmentName;

class RetentionTest {
    private static final Instant NOW = Fixture.TIME.plusSeconds(3600);
    private static final SegmentName SEGMENT = new SegmentName("device-" + "0".repeat(64));

    @TempDir private Path folder;

    @Test
    void theNewestAreKept() {
        List<Manifest> all = series(5);
        assertThat(Retention.newest(2).expired(all, all.get(4), NOW))
                .containsExactlyInAnyOrderElementsOf(all.subList(0, 3));
        assertThat(Retention.newest(9).expired(all, all.get(4), NOW)).isEmpty();
        assertThat(Retention.newest(1).expired(all.reversed(), all.get(4), NOW)).hasSize(4);
    }

    @Test
    void thoseOfTheLastTimeAreKeptAndAlwaysTheNewest() {
        List<Manifest> all = series(5);
        Instant now = Fixture.TIME.plusSeconds(10);
        assertThat(Retention.lasting(Duration.ofSeconds(8)).expired(all, all.get(4), now))
                .containsExactlyInAnyOrder(all.get(0), all.get(1));
        assertThat(Retention.lasting(Duration.ZERO).expired(all, all.get(4), NOW)).hasSize(4);
    }

    @Test
    void withBothRulesEitherKeeps() {
        List<Manifest> all = series(5);
        Retention both = new Retention(OptionalInt.of(3), Optional.of(Duration.ofSeconds(9)));
        assertThat(both.expired(all, all.get(4), Fixture.TIME.plusSeconds(10)))
                .containsExactly(all.get(0));
    }

    @Test
    void nothingOutsideOfTheSeriesAndNothingWithANameIsRemoved() {
        List<Manifest> all = new ArrayList<>(series(3));
        Manifest last = all.get(2);
        all.add(at(0, Optional.empty(), Optional.of("watch"), "other guest", "/qmp"));
        all.add(at(0, Optional.empty(), Optional.of("watch"), "guest", "/fork"));
        all.add(at(0, Optional.empty(), Optional.of("hourly"), "guest", "/qmp"));
        all.add(at(0, Optional.of("precious"), Optional.of("watch"), "guest", "/qmp"));
        all.add(at(0, Optional.empty(), Optional.empty(), "guest", "/qmp"));
        assertThat(Retention.newest(1).expired(all, last, NOW))
                .containsExactlyInAnyOrder(all.get(0), all.get(1));
        Manifest single = at(9, Optional.empty(), Optional.empty(), "guest", "/qmp");
        assertThat(Retention.newest(1).expired(all, single, NOW)).isEmpty();
    }

    @Test
    void aRuleThatKeepsNothingIsRefused() {
        assertThatThrownBy(() -> Retention.newest(0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Retention(OptionalInt.empty(), Optional.empty()))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void theNewestOfEachHourDayAndWeekIsKept() {
        // Hours apart, the newest on a Monday at 01:00 of its zone.
        ZoneId zone = ZoneId.of("Europe/Berlin");
        Instant newest = ZonedDateTime.of(2024, 3, 4, 1, 0, 0, 0, zone).toInstant();
        List<Manifest> all = new ArrayList<>();
        for (int hour = 0; hour < 24 * 21; hour++) {
            all.add(at(newest.minus(Duration.ofHours(hour))));
            all.add(at(newest.minus(Duration.ofHours(hour)).plusSeconds(600)));
        }
        KeepPeriods periods = new KeepPeriods(3, 3, 2, zone);
        Retention retention = new Retention(OptionalInt.empty(), Optional.empty(), periods);
        List<Manifest> kept = new ArrayList<>(all);
        kept.removeAll(retention.expired(all, all.getFirst(), newest));
        assertThat(kept)
                .extracting(
                        manifest -> manifest.createdAt().atZone(zone).toLocalDateTime().toString())
                .containsExactly(
                        "2024-03-04T01:10", // hour, day and week
                        "2024-03-04T00:10", // hour
                        "2024-03-03T23:10", // hour, day and week before
                        "2024-03-02T23:10"); // day
    }

    private static Manifest at(Instant time) {
        return at(
                (int) Duration.between(Fixture.TIME, time).toSeconds(),
                Optional.empty(),
                Optional.of("watch"),
                "guest",
                "/qmp");
    }

    @Test
    void applyingRemovesAlsoWhileTheStoreIsInUseAndReclaimsLater() throws Exception {
        try (Store store = Store.openOrCreate(folder.resolve("store"))) {
            for (Manifest manifest : series(4)) {
                SegmentName devices = store.putBytes(SegmentKind.DEVICE, new byte[] {2});
                SegmentName memory =
                        Fixture.memory(
                                store, Fixture.noise(1, manifest.createdAt().getEpochSecond()));
                store.publish(stored(manifest, devices, memory));
            }
            Manifest last = store.list().getLast();
            assertThat(last.series()).contains("watch");
            try (StoreHold _ = store.hold()) {
                Retention.Applied applied = Retention.newest(2).apply(store, last, NOW);
                assertThat(applied.removed()).hasSize(2);
                assertThat(applied.cleaned().segmentsSkipped()).isTrue();
                assertThat(store.list()).hasSize(2).contains(last);
            }
            assertThat(Retention.newest(1).apply(store, last, NOW).cleaned().segmentsRemoved())
                    .isEqualTo(3);
            assertThat(store.list()).containsExactly(last);
        }
    }

    private static Manifest stored(Manifest manifest, SegmentName devices, SegmentName memory) {
        Manifest like = Fixture.manifest(devices, memory);
        return new Manifest(
                manifest.id(),
                manifest.name(),
                manifest.createdAt(),
                like.engine(),
                like.guest(),
                like.devices(),
                like.memory(),
                like.disks(),
                like.statistics(),
                manifest.series(),
                manifest.parent(),
                Optional.empty());
    }

    private static List<Manifest> series(int count) {
        List<Manifest> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            all.add(at(i, Optional.empty(), Optional.of("watch"), "guest", "/qmp"));
        }
        return all;
    }

    private static Manifest at(
            int second, Optional<String> name, Optional<String> series, String guest, String qmp) {
        Instant time = Fixture.TIME.plusSeconds(second);
        Manifest like = Fixture.manifest(SEGMENT, SEGMENT);
        return new Manifest(
                CheckpointId.create(time),
                name,
                time,
                "uffd",
                new Manifest.GuestDefinition(
                        guest, "", "", "", "", List.of(), "", "", "", List.of(), qmp, 1, true),
                like.devices(),
                like.memory(),
                like.disks(),
                Map.of(),
                series,
                Optional.empty(),
                Optional.empty());
    }
}
