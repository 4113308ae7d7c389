package org.vmckpt.testvm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/** The test guest as a domain of libvirt: a stock definition with two disks, and its console. */
public final class TestDomain {
    private static final Duration BOOT_TIMEOUT = Duration.ofMinutes(3);
    private static final int WORKING_TICKS = 4;

    private final TestLibvirtd host;
    private final String name;
    private final Path folder;

    private TestDomain(TestLibvirtd host, String name, Path folder) {
        this.host = host;
        this.name = name;
        this.folder = folder;
    }

    /**
     * Defines it and starts it; it has a qcow2 disk vda and a raw disk vdb.
     *
     * @param shared whether its memory is a shared memfd, or as libvirt does it unasked
     */
    public static TestDomain start(
            TestLibvirtd host, String name, long memoryBytes, boolean shared, Workload workload) {
        TestDomain domain = define(host, name, memoryBytes, shared, workload);
        host.virsh("start", name);
        return domain;
    }

    /** Defines it only. */
    public static TestDomain define(
            TestLibvirtd host, String name, long memoryBytes, boolean shared, Workload workload) {
        return define(host, name, memoryBytes, shared, 1, workload);
    }

    public static TestDomain define(
            TestLibvirtd host,
            String name,
            long memoryBytes,
            boolean shared,
            int vcpus,
            Workload workload) {
        Path folder = host.domainFolder().resolve(name);
        GuestImage image = GuestImage.ensureBuilt();
        try {
            Files.createDirectory(folder);
            // libvirt gives files of a domain to QEMU's user.
            Files.copy(image.kernel(), folder.resolve("kernel"));
            Files.copy(image.initramfs(), folder.resolve("initrd"));
            for (int i = 0; i < 2; i++) {
                TestDisk disk = i == 0 ? TestDisk.qcow2(24 << 20) : TestDisk.raw(16 << 20);
                new QemuArguments(TestGuest.builder().disk(disk), folder, image).createDisks();
                Files.move(
                        QemuArguments.diskFile(folder, 0, disk),
                        folder.resolve("vd" + (char) ('a' + i) + "." + disk.format().qemuName()));
            }
            Path xml = folder.resolve("domain.xml");
            Files.writeString(xml, xml(name, folder, memoryBytes, shared, vcpus, workload));
            host.virsh("define", xml.toString());
            return new TestDomain(host, name, folder);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot make domain " + name, e);
        }
    }

    private static String xml(
            String name,
            Path folder,
            long memoryBytes,
            boolean shared,
            int vcpus,
            Workload workload) {
        String backing =
                shared
                        ? "<memoryBacking><source type='memfd'/><access"
                                + " mode='shared'/></memoryBacking>"
                        : "";
        return """
        <domain type='qemu'>
          <name>%s</name>
          <memory unit='b'>%d</memory>
          %s
          <vcpu>%d</vcpu>
          <os>
            <type arch='x86_64' machine='pc'>hvm</type>
            <kernel>%s/kernel</kernel>
            <initrd>%s/initrd</initrd>
            <cmdline>%s</cmdline>
          </os>
          <features><acpi/></features>
          <cpu mode='maximum'/>
          <on_poweroff>destroy</on_poweroff>
          <on_reboot>destroy</on_reboot>
          <on_crash>destroy</on_crash>
          <devices>
            <emulator>/usr/bin/qemu-system-x86_64</emulator>
            <disk type='file' device='disk'>
              <driver name='qemu' type='qcow2' cache='none'/>
              <source file='%s/vda.qcow2'/>
              <target dev='vda' bus='virtio'/>
            </disk>
            <disk type='file' device='disk'>
              <driver name='qemu' type='raw' cache='none'/>
              <source file='%s/vdb.raw'/>
              <target dev='vdb' bus='virtio'/>
            </disk>
            <controller type='usb' model='none'/>
            <serial type='file'>
              <source path='%s/console.log' append='on'/>
              <target port='0'/>
            </serial>
            <serial type='unix'>
              <source mode='bind' path='%s/command.sock'/>
              <target port='1'/>
            </serial>
            <memballoon model='none'/>
          </devices>
        </domain>
        """
                .formatted(
                        name,
                        memoryBytes,
                        backing,
                        vcpus,
                        folder,
                        folder,
                        QemuArguments.KERNEL_PARAMETERS + workload.kernelParameters(),
                        folder,
                        folder,
                        folder,
                        folder);
    }

    /** The same guest in a folder of that name, which somebody has restored. */
    public TestDomain restoredAs(TestLibvirtd where, String newName) {
        return new TestDomain(where, newName, where.domainFolder().resolve(newName));
    }

    public String name() {
        return name;
    }

    /** Everything of it lies there. */
    public Path folder() {
        return folder;
    }

    /** What it says from its start on; ask for a new one after another start. */
    public GuestConsole console() {
        return new GuestConsole(folder.resolve("console.log"), folder.resolve("command.sock"));
    }

    /** Waits for the first line of the guest. */
    public ConsoleLine.Boot awaitBoot() {
        return console().awaitBoot(BOOT_TIMEOUT);
    }

    /** Waits until the guest has been at its work for a second. */
    public void awaitWork() {
        awaitBoot();
        console().awaitTick(WORKING_TICKS, BOOT_TIMEOUT);
    }

    /** Which file a disk writes, as libvirt sees it. */
    public Path diskFile(String target) {
        for (String line : host.virsh("domblklist", name).lines().toList()) {
            String[] columns = line.strip().split("\\s+", 2);
            if (columns.length == 2 && columns[0].equals(target)) {
                return Path.of(columns[1]);
            }
        }
        throw new TestGuestException("domain " + name + " has no disk " + target);
    }

    public String state() {
        return host.virsh("domstate", name);
    }
}
