package org.vmckpt.testvm;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.vmckpt.cow.volume.VolumeCreator;

/** Some ways to give slow volumes to a guest. */
enum VolumeAttachment {
    ONE_BLK(TestDisk.Bus.VIRTIO_BLK, 1, false),
    FOUR_BLK_WITH_QUEUES_AND_THREADS(TestDisk.Bus.VIRTIO_BLK, 4, true),
    TWO_SCSI(TestDisk.Bus.VIRTIO_SCSI, 2, false),
    THREE_SCSI_WITH_QUEUES_AND_A_THREAD(TestDisk.Bus.VIRTIO_SCSI, 3, true);

    private static final long VOLUME_BYTES = 16L << 20;
    private static final int CLUSTER_BYTES = 64 << 10;

    private final TestDisk.Bus bus;
    private final int disks;
    private final boolean threads;

    VolumeAttachment(TestDisk.Bus bus, int disks, boolean threads) {
        this.bus = bus;
        this.disks = disks;
        this.threads = threads;
    }

    int disks() {
        return disks;
    }

    boolean threads() {
        return threads;
    }

    /** Makes empty volumes in a folder and serves them. */
    SlowVolumeServer serve(Path folder, Path socket) throws Exception {
        List<Path> volumes = new ArrayList<>();
        for (int i = 0; i < disks; i++) {
            Path volume = folder.resolve(volume(i));
            VolumeCreator.create(
                    volume,
                    Optional.empty(),
                    Optional.empty(),
                    OptionalLong.of(VOLUME_BYTES),
                    CLUSTER_BYTES);
            volumes.add(volume);
        }
        return new SlowVolumeServer(volumes, socket);
    }

    /**
     * For QEMU.
     *
     * @param errors what the devices do with them, for example {@code ,werror=stop}
     */
    List<String> arguments(Path socket, String errors) {
        List<String> arguments = new ArrayList<>();
        boolean scsi = bus == TestDisk.Bus.VIRTIO_SCSI;
        if (scsi) {
            String controller = "virtio-scsi-pci,id=scsi";
            if (threads) {
                controller += ",num_queues=2,iothread=" + addThread(0, arguments);
            }
            arguments.addAll(List.of("-device", controller));
        }
        for (int i = 0; i < disks; i++) {
            String server = ",server.type=unix,server.path=" + socket;
            String node = "driver=nbd,node-name=vol" + i + ",export=" + volume(i) + server;
            arguments.addAll(List.of("-blockdev", node));
            String device = scsi ? "scsi-hd,bus=scsi.0" : "virtio-blk-pci";
            if (threads && !scsi) {
                device += ",num-queues=2,iothread=" + addThread(i, arguments);
            }
            device += ",drive=vol%d,id=vol-disk%d".formatted(i, i) + errors;
            arguments.addAll(List.of("-device", device));
        }
        return arguments;
    }

    private static String addThread(int number, List<String> arguments) {
        String id = "thread" + number;
        arguments.addAll(List.of("-object", "iothread,id=" + id));
        return id;
    }

    private static String volume(int number) {
        return "v" + number;
    }
}
