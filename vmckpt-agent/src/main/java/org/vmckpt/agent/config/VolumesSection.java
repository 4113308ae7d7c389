package org.vmckpt.agent.config;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.vmckpt.agent.config.AgentConfig.Volume;

/** The part of the configuration about volumes. */
final class VolumesSection {
    private VolumesSection() {}

    static Map<String, Volume> read(Section section) {
        Map<String, Volume> volumes = new HashMap<>();
        Map<Path, String> paths = new HashMap<>();
        section.namedSections()
                .forEach((name, fields) -> {
                    Path folder =
                            fields.required("folder", Values::path).orElse(ConfigReader.NOWHERE);
                    Path socket =
                            fields.required("socket", Values::socket).orElse(ConfigReader.NOWHERE);
                    requireOwn(name, "folder", folder, fields, paths);
                    requireOwn(name, "socket", socket, fields, paths);
                    fields.end();
                    volumes.put(name, new Volume(name, folder, socket));
                });
        return volumes;
    }

    private static void requireOwn(
            String name, String field, Path path, Section fields, Map<Path, String> paths) {
        String other = paths.putIfAbsent(path, name);
        if (other != null && !path.equals(ConfigReader.NOWHERE)) {
            fields.problem(field, "is used by volume " + other + " already");
        }
    }
}
