package org.vmckpt.testvm.bench;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * All that {@link CowSuite} has measured.
 *
 * @param notes how to read the numbers; for people only
 */
record CowResults(List<Cell> cells, List<String> notes) {
    /**
     * A guest in one state.
     *
     * @param state its load, or which share of its pages was dirty
     */
    record Cell(long memoryBytes, String state, Samples samples) {
        String label() {
            return GuestKind.size(memoryBytes) + ", " + state;
        }
    }

    CowResults {
        cells = List.copyOf(cells);
        notes = List.copyOf(notes);
    }

    BenchReport report(String suite) {
        List<BenchRow> rows =
                cells.stream().flatMap(cell -> cell.samples().rows(cell.label()).stream()).toList();
        return new BenchReport(suite, rows, notes);
    }

    /** In the order in which they were measured. */
    List<Long> memorySizes() {
        return cells.stream().map(Cell::memoryBytes).distinct().toList();
    }

    Optional<Distribution> find(long memoryBytes, String state, String quantity, String contender) {
        return cells(memoryBytes, state)
                .flatMap(cell -> cell.samples().find(quantity, contender).stream())
                .findFirst();
    }

    private Stream<Cell> cells(long memoryBytes, String state) {
        return cells.stream()
                .filter(cell -> cell.memoryBytes() == memoryBytes && cell.state().equals(state));
    }
}
