package org.vmckpt.agent.config;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.snakeyaml.engine.v2.exceptions.Mark;

/** What was found wrong in one file, in the order of its lines. */
final class Problems {
    private final Path file;
    private final Map<Integer, List<String>> found = new TreeMap<>();

    Problems(Path file) {
        this.file = file;
    }

    /** Notes one; lines count from 1, and 0 is the file as a whole. */
    void add(int line, String message) {
        found.computeIfAbsent(line, _ -> new ArrayList<>()).add(message);
    }

    static int line(Optional<Mark> mark) {
        return mark.map(it -> it.getLine() + 1).orElse(0);
    }

    void throwIfAny() throws ConfigException {
        List<String> all = new ArrayList<>();
        found.forEach((line, messages) ->
                messages.forEach(
                        message -> all.add(file + (line == 0 ? "" : ":" + line) + ": " + message)));
        if (!all.isEmpty()) {
            throw new ConfigException(all);
        }
    }
}
