package org.vmckpt.cow.restore;

import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.core.Manifest.GuestDefinition;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.cow.definition.QemuCommandLine;
import org.vmckpt.cow.definition.QemuOption;

/**
 * What a running guest's QEMU has made on this host by its arguments.
 *
 * @param files sockets, logs and the like
 * @param memory those of {@code files} that are its memory
 */
public record OldOutputs(Set<Path> files, Set<Path> memory) {

    public static OldOutputs of(GuestDefinition guest) throws UnsupportedException {
        // Of a guest that runs nothing is a problem.
        Problems unheard = new Problems();
        PathMap map = new PathMap(Path.of(guest.workingDirectory()), Map.of());
        HostPaths paths = new HostPaths(map, unheard, Takeover.NONE);
        PathArguments arguments = new PathArguments(paths, unheard);
        Set<Path> memory = new LinkedHashSet<>();
        for (QemuOption option :
                QemuCommandLine.parse(guest.arguments(), QemuOption.Origin.RECORDED).options()) {
            arguments.move(option);
            memoryFile(option).ifPresent(file -> memory.add(map.recorded(Path.of(file))));
        }
        memory.retainAll(paths.outputs());
        return new OldOutputs(Set.copyOf(paths.outputs()), Set.copyOf(memory));
    }

    private static Optional<String> memoryFile(QemuOption option) {
        return option.name().equals("object")
                ? option.properties().get("mem-path")
                : option.value().filter(_ -> option.name().equals("mem-path"));
    }
}
