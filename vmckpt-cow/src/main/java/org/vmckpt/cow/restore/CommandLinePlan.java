package org.vmckpt.cow.restore;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.vmckpt.core.Manifest.GuestDefinition;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.cow.definition.QemuCommandLine;
import org.vmckpt.cow.definition.QemuOption;

/**
 * The recorded command line, rewritten for this host.
 *
 * @param outputs files and sockets that QEMU will create, the QMP socket aside; none exists yet,
 *     unless the guest whose place is taken has it
 */
record CommandLinePlan(QemuCommandLine line, Set<Path> outputs) {

    /**
     * Rewrites a guest's arguments; what cannot be rewritten is added to the problems.
     *
     * @param maps new path by recorded path
     * @param given options that replace or join the recorded ones
     * @param takeover the guest whose place is taken
     */
    static CommandLinePlan of(
            GuestDefinition guest,
            List<RestoredDisk> disks,
            Path qmpPath,
            Map<Path, Path> maps,
            List<String> given,
            Takeover takeover,
            Problems problems)
            throws UnsupportedException {
        PathMap map = new PathMap(Path.of(guest.workingDirectory()), maps);
        HostPaths paths = new HostPaths(map, problems, takeover);
        QemuCommandLine recorded =
                QemuCommandLine.parse(guest.arguments(), QemuOption.Origin.RECORDED);

        List<QemuOption> options = GivenArguments.apply(recorded, given).options();
        options = MachineArguments.apply(options, guest);
        options = new DiskArguments(new DiskOverlays(map, disks), paths, problems).apply(options);
        options = new ErrorStops(disks).apply(options);
        List<QemuOption> qmpSocket = new ArrayList<>();
        options =
                new QmpArguments(map.recorded(Path.of(guest.qmpPath())), qmpPath, map)
                        .apply(options, qmpSocket);
        options = new ArrayList<>(options);
        PathArguments others = new PathArguments(paths, problems);
        HostBoundArguments hostBound = new HostBoundArguments(takeover, problems);
        ListenPorts ports = new ListenPorts(takeover, problems);
        for (int i = 0; i < options.size(); i++) {
            QemuOption option = options.get(i);
            if (!qmpSocket.contains(option)) {
                hostBound.check(option);
                ports.check(option);
                options.set(i, others.move(option));
            }
        }
        return new CommandLinePlan(new QemuCommandLine(options), paths.outputs());
    }
}
