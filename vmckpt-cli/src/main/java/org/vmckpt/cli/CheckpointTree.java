package org.vmckpt.cli;

import java.io.PrintWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.HumanDuration;
import org.vmckpt.core.HumanSize;
import org.vmckpt.core.store.CheckpointListing.Entry;

/** Checkpoints below the ones that they went on from. */
final class CheckpointTree {
    /** More forks of forks would not fit a line, and damaged data could have no end. */
    private static final int DEEPEST = 40;

    private final List<Entry> roots = new ArrayList<>();
    private final Map<CheckpointId, List<Entry>> children = new HashMap<>();

    /** From entries that are sorted by time. */
    CheckpointTree(List<Entry> entries) {
        Set<CheckpointId> known = new HashSet<>();
        for (Entry entry : entries) {
            Optional<CheckpointId> parent = entry.parent().filter(known::contains);
            // One that claims to be older than its parent begins a tree of its own.
            parent.map(id -> children.computeIfAbsent(id, _ -> new ArrayList<>()))
                    .orElse(roots)
                    .add(entry);
            known.add(entry.id());
        }
    }

    void print(PrintWriter out) {
        for (Entry root : roots) {
            out.println(root.guest() + "  " + root.monitor());
            print(root, "", 0, out);
        }
    }

    private void print(Entry first, String indent, int depth, PrintWriter out) {
        Optional<Entry> next = Optional.of(first);
        while (next.isPresent()) {
            Entry entry = next.get();
            out.println(indent + "* " + describe(entry));
            List<Entry> below = children.getOrDefault(entry.id(), List.of());
            next = mainLine(entry, below);
            for (Entry fork : below) {
                if (!next.equals(Optional.of(fork)) && depth < DEEPEST) {
                    out.println(indent + "|\\  " + fork.monitor());
                    print(fork, indent + "| ", depth + 1, out);
                }
            }
        }
    }

    /** The same QEMU's next one; else the only one, or the last. */
    private static Optional<Entry> mainLine(Entry entry, List<Entry> below) {
        return below.stream()
                .filter(child -> child.monitor().equals(entry.monitor()))
                .findFirst()
                .or(() -> below.isEmpty() ? Optional.empty() : Optional.of(below.getLast()));
    }

    private static String describe(Entry entry) {
        return String.join(
                        "  ",
                        entry.id().value(),
                        ListCommand.localTime(entry.createdAt()),
                        "pause "
                                + HumanDuration.format(
                                        Duration.ofNanos(
                                                entry.statistics().getOrDefault("pauseMicros", 0L)
                                                        * 1000)),
                        HumanSize.format(entry.statistics().getOrDefault("storedBytes", 0L)),
                        entry.series().map(series -> "(" + series + ")").orElse(""),
                        entry.name().orElse(""))
                .stripTrailing();
    }
}
