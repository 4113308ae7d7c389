package org.vmckpt.testvm;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** What QEMU is started with, and the disk files that it names. */
final class QemuArguments {
    /**
     * Only panics interrupt the JSON lines. The TSC is a clock that costs the emulated guest
     * little; without erms the kernel clears pages by words, five times faster than by bytes, and
     * without erms it hangs on a processor with fsrm, which QEMU 10 has. On a busy host the timer
     * is late, which the kernel would take for a broken one.
     */
    static final String KERNEL_PARAMETERS =
            "console=ttyS0 quiet loglevel=1 panic=-1 clocksource=tsc tsc=reliable no_timer_check"
                    + " clearcpuid=erms,fsrm cryptomgr.notests ";

    private final TestGuestBuilder wanted;
    private final Path folder;
    private final GuestImage image;

    QemuArguments(TestGuestBuilder wanted, Path folder, GuestImage image) {
        this.wanted = wanted;
        this.folder = folder;
        this.image = image;
    }

    static Path qmpSocket(Path folder) {
        return folder.resolve("qmp.sock");
    }

    static Path secondQmpSocket(Path folder) {
        return folder.resolve("second.sock");
    }

    static Path agentSocket(Path folder) {
        return folder.resolve("agent.sock");
    }

    static Path consoleLog(Path folder) {
        return folder.resolve("console.log");
    }

    static Path commandSocket(Path folder) {
        return folder.resolve("command.sock");
    }

    static Path diskFile(Path folder, int index, TestDisk disk) {
        return folder.resolve("disk%d.%s".formatted(index, disk.format().qemuName()));
    }

    void createDisks() {
        for (int i = 0; i < wanted.disks.size(); i++) {
            TestDisk disk = wanted.disks.get(i);
            Path file = diskFile(folder, i, disk);
            switch (disk.format()) {
                case RAW -> {
                    createSparse(file, disk.sizeBytes());
                    if (wanted.guestAgent && i == 0) {
                        Commands.run(List.of("mkfs.ext4", "-q", "-F", file.toString()));
                    }
                }
                case QCOW2 ->
                        Commands.run(
                                List.of(
                                        "qemu-img",
                                        "create",
                                        "-q",
                                        "-f",
                                        "qcow2",
                                        file.toString(),
                                        Long.toString(disk.sizeBytes())));
            }
        }
    }

    private static void createSparse(Path file, long sizeBytes) {
        try (RandomAccessFile raw = new RandomAccessFile(file.toFile(), "rw")) {
            raw.setLength(0);
            raw.setLength(sizeBytes);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot make the disk " + file, e);
        }
    }

    List<String> commandLine() {
        List<String> command = new ArrayList<>(wanted.wrapper);
        command.addAll(List.of(wanted.qemu, "-accel", "tcg", "-cpu", "max"));
        command.addAll(memory());
        command.addAll(List.of("-smp", Integer.toString(wanted.vcpus)));
        command.addAll(List.of("-display", "none", "-nodefaults", "-no-reboot"));
        command.addAll(monitor());
        command.addAll(consoles());
        command.addAll(List.of("-kernel", image.kernel().toString()));
        Path initramfs = wanted.guestAgent ? GuestImage.initramfsWithAgent() : image.initramfs();
        command.addAll(List.of("-initrd", initramfs.toString()));
        if (wanted.guestAgent) {
            command.addAll(guestAgent());
        }
        command.addAll(List.of("-append", kernelParameters()));
        for (int i = 0; i < wanted.disks.size(); i++) {
            command.addAll(disk(i, wanted.disks.get(i)));
        }
        command.addAll(wanted.extraArguments);
        return List.copyOf(command);
    }

    private String kernelParameters() {
        List<String> parameters = new ArrayList<>(wanted.kernelParameters);
        parameters.add(wanted.workload.kernelParameters());
        return KERNEL_PARAMETERS + String.join(" ", parameters);
    }

    private List<String> guestAgent() {
        return List.of(
                "-chardev",
                "socket,id=agent,path=%s,server=on,wait=off".formatted(agentSocket(folder)),
                "-device",
                "virtio-serial-pci",
                "-device",
                "virtserialport,chardev=agent,name=org.qemu.guest_agent.0");
    }

    List<String> monitor() {
        List<String> first = monitor(qmpSocket(folder));
        return wanted.secondMonitor ? concat(first, monitor(secondQmpSocket(folder))) : first;
    }

    private static List<String> monitor(Path socket) {
        return List.of("-qmp", "unix:%s,server=on,wait=off".formatted(socket));
    }

    List<String> memory() {
        List<String> size = List.of("-m", (wanted.memoryBytes >> 20) + "M");
        if (wanted.memoryKind == GuestMemoryKind.ANONYMOUS) {
            return concat(size, List.of("-machine", wanted.machine));
        }
        if (wanted.numaNodes == 1) {
            String machine = wanted.machine + ",memory-backend=ram";
            return concat(
                    size,
                    List.of("-machine", machine, "-object", backend("ram", wanted.memoryBytes)));
        }
        List<String> arguments = concat(size, List.of("-machine", wanted.machine));
        for (int node = 0; node < wanted.numaNodes; node++) {
            String id = "ram" + node;
            String backend = backend(id, wanted.memoryBytes / wanted.numaNodes);
            arguments =
                    concat(arguments, List.of("-object", backend, "-numa", "node,memdev=" + id));
        }
        return arguments;
    }

    private static List<String> concat(List<String> first, List<String> second) {
        return Stream.concat(first.stream(), second.stream()).toList();
    }

    private String backend(String id, long sizeBytes) {
        Path place = wanted.memoryFolder == null ? folder : wanted.memoryFolder;
        String file =
                "memory-backend-file,mem-path="
                        + place.resolve(id.equals("ram") ? "memory" : "memory-" + id);
        return switch (wanted.memoryKind) {
                    case MEMFD -> "memory-backend-memfd,share=on";
                    case HUGE_MEMFD -> "memory-backend-memfd,share=on,hugetlb=on,hugetlbsize=2M";
                    case FILE -> file + ",share=on";
                    case PRIVATE_FILE -> file + ",share=off";
                    case ANONYMOUS -> throw new IllegalStateException("no backend");
                }
                + ",id=%s,size=%d".formatted(id, sizeBytes);
    }

    /** The first serial port is the guest's console, the second takes commands. */
    List<String> consoles() {
        return List.of(
                "-chardev",
                "file,id=console,path=" + consoleLog(folder),
                "-serial",
                "chardev:console",
                "-chardev",
                "socket,id=command,path=%s,server=on,wait=off".formatted(commandSocket(folder)),
                "-serial",
                "chardev:command");
    }

    private List<String> disk(int index, TestDisk disk) {
        Path file = diskFile(folder, index, disk);
        String name = "disk" + index;
        String format = disk.format().qemuName();
        List<String> backend =
                switch (disk.attachment()) {
                    case DRIVE ->
                            List.of(
                                    "-drive",
                                    "file=%s,format=%s,if=none,id=%s,cache=none,aio=threads"
                                            .formatted(file, format, name));
                    case BLOCKDEV ->
                            List.of(
                                    "-blockdev",
                                    "driver=file,filename=%s,node-name=%s-file,cache.direct=on,aio=threads"
                                            .formatted(file, name),
                                    "-blockdev",
                                    "driver=%s,file=%s-file,node-name=%s,cache.direct=on"
                                            .formatted(format, name, name));
                };
        List<String> arguments = new ArrayList<>(backend);
        arguments.addAll(
                switch (disk.bus()) {
                    case VIRTIO_BLK ->
                            List.of(
                                    "-device",
                                    "virtio-blk-pci,drive=%s,id=virtio-%s".formatted(name, name));
                    case VIRTIO_SCSI ->
                            List.of(
                                    "-device",
                                    "virtio-scsi-pci,id=scsi-" + name,
                                    "-device",
                                    "scsi-hd,bus=scsi-%s.0,drive=%s,id=%s-hd"
                                            .formatted(name, name, name));
                });
        return arguments;
    }
}
