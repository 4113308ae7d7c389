package org.vmckpt.cow.restore;

import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Set;

/** Maps the paths of a command line to this host, and checks each for the use that QEMU makes. */
final class HostPaths {
    private final PathMap map;
    private final Problems problems;
    private final Takeover takeover;
    private final Set<Path> outputs = new LinkedHashSet<>();

    HostPaths(PathMap map, Problems problems, Takeover takeover) {
        this.map = map;
        this.problems = problems;
        this.takeover = takeover;
    }

    /** A file or folder that QEMU looks into when it is there. */
    String ifPresent(String recorded) {
        return map.map(Path.of(recorded)).toString();
    }

    /** A file or folder that QEMU reads or connects to: it must be there. */
    String read(String recorded, String option) {
        Path path = map.map(Path.of(recorded));
        if (!Files.exists(path)) {
            problems.notFound(
                    "%s reads %s, which this host does not have: give --map %s=NEW"
                            .formatted(option, path, map.recorded(Path.of(recorded))));
        }
        return path.toString();
    }

    /** A file that QEMU writes or a socket that it listens on: it must not be there yet. */
    String write(String recorded, String option) {
        Path path = map.map(Path.of(recorded));
        if (path.startsWith("/dev") && !path.startsWith("/dev/shm")) {
            return path.toString();
        }
        boolean inTheWay = Files.exists(path, LinkOption.NOFOLLOW_LINKS) && !takeover.owns(path);
        if (inTheWay || outputs.contains(path)) {
            problems.conflict(
                    "%s would write %s, which exists: give --map %s=NEW"
                            .formatted(option, path, map.recorded(Path.of(recorded))));
        } else if (path.getParent() != null && !Files.isDirectory(path.getParent())) {
            problems.notFound(
                    "%s would write %s, whose folder this host does not have: give --map %s=NEW"
                            .formatted(option, path, map.recorded(Path.of(recorded))));
        }
        outputs.add(path);
        return path.toString();
    }

    /** A file that backs guest memory; a folder means that QEMU makes a nameless file in it. */
    String memory(String recorded, String option) {
        return Files.isDirectory(map.map(Path.of(recorded)))
                ? read(recorded, option)
                : write(recorded, option);
    }

    /** What QEMU will create: none of these exists, or the guest that makes way has it. */
    Set<Path> outputs() {
        return outputs;
    }
}
