package org.vmckpt.cow.restore;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The process that serves a restored guest's disks. It ends with the guest's QEMU.
 *
 * @param socket for NBD; its control socket, pid file and log lie beside it
 * @param volumes the disks' folders
 */
public record DiskServer(long pid, Path socket, List<Path> volumes) {

    public DiskServer {
        volumes = List.copyOf(volumes);
    }

    /**
     * What serves the disks again after the server was killed.
     *
     * @param guest the pid of its QEMU
     */
    public List<String> restartCommand(long guest) {
        List<String> command = new ArrayList<>(List.of("vmckpt", "volume", "serve"));
        volumes.forEach(volume -> command.add(volume.toString()));
        command.addAll(List.of("--socket", socket.toString(), "--pid", Long.toString(guest)));
        return command;
    }
}
