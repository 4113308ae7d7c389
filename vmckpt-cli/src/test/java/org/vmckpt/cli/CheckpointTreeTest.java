package org.vmckpt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.store.CheckpointListing;
import org.vmckpt.core.store.CheckpointListing.Entry;

class CheckpointTreeTest {
    private static final Instant TIME = Instant.parse("2024-03-04T10:20:30Z");

    private static Entry entry(int second, String monitor, Optional<Entry> parent) {
        Instant time = TIME.plusSeconds(second);
        return new Entry(
                CheckpointId.create(time),
                Optional.of("c" + second),
                time,
                "vm1",
                "",
                monitor,
                Optional.empty(),
                parent.map(Entry::id),
                "uffd",
                1,
                0,
                Optional.empty(),
                1,
                Map.of());
    }

    @Test
    void forksAreBranchesAndTheGuestItselfIsTheTrunk() {
        Entry first = entry(0, "/a", Optional.empty());
        Entry second = entry(1, "/a", Optional.of(first));
        Entry fork = entry(2, "/b", Optional.of(first));
        Entry forksNext = entry(3, "/b", Optional.of(fork));
        Entry third = entry(4, "/a", Optional.of(second));
        StringWriter text = new StringWriter();
        new CheckpointTree(List.of(first, second, fork, forksNext, third))
                .print(new PrintWriter(text, true));
        assertThat(text.toString().lines().map(line -> line.replaceAll("20.*(c\\d)", "$1")))
                .containsExactly("vm1  /a", "* c0", "|\\  /b", "| * c2", "| * c3", "* c1", "* c4");
    }

    @Test
    void aRemovedParentBeginsATreeOfItsOwn() {
        Entry gone = entry(0, "/a", Optional.empty());
        Entry orphan = entry(1, "/a", Optional.of(gone));
        StringWriter text = new StringWriter();
        new CheckpointTree(List.of(orphan)).print(new PrintWriter(text, true));
        assertThat(text.toString().lines()).hasSize(2);
    }

    @Test
    void relativesAreFoundInBothDirections() {
        Entry first = entry(0, "/a", Optional.empty());
        Entry second = entry(1, "/a", Optional.of(first));
        Entry fork = entry(2, "/b", Optional.of(first));
        Entry other = entry(3, "/c", Optional.empty());
        CheckpointListing all =
                new CheckpointListing(List.of(first, second, fork, other), List.of());
        CheckpointListing some = new CheckpointListing(List.of(fork), List.of());
        assertThat(all.withRelatives(some).checkpoints()).containsExactly(first, second, fork);
    }
}
