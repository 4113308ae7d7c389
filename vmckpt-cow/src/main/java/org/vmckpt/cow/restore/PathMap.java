package org.vmckpt.cow.restore;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Where the paths of the checkpoint's host lie on this one: each rule maps a file, or a folder and
 * all below it; the longest matching rule wins. Paths without a rule stay.
 */
final class PathMap {
    private final Path workingDirectory;
    private final Map<Path, Path> rules = new LinkedHashMap<>();

    /**
     * @param workingDirectory what relative paths of the checkpoint's host refer to
     * @param rules new path by old path
     */
    PathMap(Path workingDirectory, Map<Path, Path> rules) {
        this.workingDirectory = workingDirectory;
        rules.forEach((from, to) -> this.rules.put(recorded(from), to.toAbsolutePath()));
    }

    /** A recorded path in absolute form, not mapped. */
    Path recorded(Path path) {
        return workingDirectory.resolve(path).normalize();
    }

    /** Where the recorded path is on this host, absolute. */
    Path map(Path path) {
        Path absolute = recorded(path);
        return rules.keySet().stream()
                .filter(absolute::startsWith)
                .max((a, b) -> Integer.compare(a.getNameCount(), b.getNameCount()))
                .map(from -> resolve(from, absolute))
                .orElse(absolute);
    }

    private Path resolve(Path from, Path absolute) {
        Path to = rules.getOrDefault(from, from);
        return absolute.equals(from) ? to : to.resolve(from.relativize(absolute));
    }
}
