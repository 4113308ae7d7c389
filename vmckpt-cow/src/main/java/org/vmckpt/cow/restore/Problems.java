package org.vmckpt.cow.restore;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

/** Everything that stands in the way of a restore, so that a user meets it all at once. */
final class Problems {
    /** From the hardest to mend to the easiest: the hardest decides the kind of the error. */
    private enum Kind {
        UNSUPPORTED,
        NOT_FOUND,
        CONFLICT
    }

    private record Problem(Kind kind, String text) {}

    private final List<Problem> problems = new ArrayList<>();

    void unsupported(String text) {
        add(Kind.UNSUPPORTED, text);
    }

    void notFound(String text) {
        add(Kind.NOT_FOUND, text);
    }

    void conflict(String text) {
        add(Kind.CONFLICT, text);
    }

    private void add(Kind kind, String text) {
        Problem problem = new Problem(kind, text);
        if (!problems.contains(problem)) {
            problems.add(problem);
        }
    }

    boolean any() {
        return !problems.isEmpty();
    }

    /**
     * @param operation what cannot be done, for example {@code restore of 2026…}
     */
    void throwIfAny(String operation) throws VmckptException {
        if (problems.isEmpty()) {
            return;
        }
        String message = operation + " cannot start, nothing was changed:" + listing();
        throw switch (problems.stream().map(Problem::kind).min(Kind::compareTo).orElseThrow()) {
            case UNSUPPORTED -> new UnsupportedException(message);
            case NOT_FOUND -> new NotFoundException(message);
            case CONFLICT -> new ConflictException(message);
        };
    }

    private String listing() {
        if (problems.size() == 1) {
            return " " + problems.getFirst().text;
        }
        return problems.stream()
                .map(problem -> "\n  - " + problem.text)
                .collect(Collectors.joining());
    }
}
