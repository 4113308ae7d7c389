package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.Stream;

/** A volume's folder as the page cache has it when the process that has the volume is killed. */
final class KilledVolume {
    private KilledVolume() {}

    /** Closes it, and makes that undone. The files stay the same files. */
    static void kill(OpenVolume open) throws Exception {
        Path folder = open.folder().path();
        Map<Path, byte[]> before = files(folder);
        open.close();
        for (Path file : files(folder).keySet()) {
            if (!before.containsKey(file)) {
                Files.delete(file);
            }
        }
        for (Map.Entry<Path, byte[]> file : before.entrySet()) {
            Files.write(file.getKey(), file.getValue());
        }
    }

    private static Map<Path, byte[]> files(Path folder) throws IOException {
        Map<Path, byte[]> files = new HashMap<>();
        try (Stream<Path> listed = Files.list(folder)) {
            for (Path file : listed.toList()) {
                files.put(file, Files.readAllBytes(file));
            }
        }
        return files;
    }
}
