package org.vmckpt.cow.restore;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.core.Manifest.DiskState;
import org.vmckpt.cow.definition.OptionProperties;
import org.vmckpt.cow.disk.VolumeExport;

/** Which new overlay takes the place of each file that the recorded arguments name as a disk. */
final class DiskOverlays {
    private final PathMap map;
    private final List<RestoredDisk> disks;
    private final Set<RestoredDisk> used = new HashSet<>();

    DiskOverlays(PathMap map, List<RestoredDisk> disks) {
        this.map = map;
        this.disks = List.copyOf(disks);
    }

    /** The new disk for a file of the recorded arguments, if the checkpoint has that disk. */
    Optional<RestoredDisk> diskOf(String recordedFile) {
        Path file = map.recorded(Path.of(recordedFile));
        Optional<RestoredDisk> found =
                disks.stream()
                        .filter(disk -> map.recorded(Path.of(disk.argumentPath())).equals(file))
                        .findFirst();
        found.ifPresent(used::add);
        return found;
    }

    /** The same for a disk that was a volume of vmckpt. */
    Optional<RestoredDisk> diskOfVolume(OptionProperties node) {
        Optional<String> uri = VolumeExport.uriOf(node, map.recorded(Path.of("")));
        Optional<RestoredDisk> found =
                disks.stream()
                        .filter(disk -> uri.equals(Optional.of(disk.argumentPath())))
                        .findFirst();
        found.ifPresent(used::add);
        return found;
    }

    boolean isOverlay(String file) {
        return disks.stream().anyMatch(disk -> disk.overlay().toString().equals(file));
    }

    /** Whether a node is a new disk that vmckpt serves. */
    boolean isServed(OptionProperties node) {
        return ServedNode.isOf(node, disks);
    }

    /** Disks of the checkpoint that no argument named. */
    Set<RestoredDisk> unused() {
        Set<RestoredDisk> unused = new LinkedHashSet<>(disks);
        unused.removeAll(used);
        return unused;
    }

    /**
     * Gives every disk its files in a folder; names come from the devices, and are unique.
     *
     * @param socket where they are served as volumes, if they are
     */
    static List<RestoredDisk> layOut(List<DiskState> disks, Path folder, Optional<Path> socket) {
        Map<String, Integer> uses = new HashMap<>();
        return disks.stream()
                .map(disk -> {
                    String name = fileName(disk);
                    int use = uses.merge(name, 1, Integer::sum);
                    String unique = use == 1 ? name : name + "-" + use;
                    return new RestoredDisk(
                            disk.device(),
                            disk.argumentPath(),
                            folder.resolve(unique + ".base.raw"),
                            folder.resolve(socket.isPresent() ? unique : unique + ".qcow2"),
                            socket);
                })
                .toList();
    }

    private static String fileName(DiskState disk) {
        String device = disk.device().replaceFirst("^/machine/peripheral/([^/]+)/.*$", "$1");
        for (String candidate : List.of(device, disk.nodeName())) {
            if (candidate.matches("[A-Za-z0-9][A-Za-z0-9_-]{0,63}")) {
                return candidate;
            }
        }
        return "disk";
    }
}
