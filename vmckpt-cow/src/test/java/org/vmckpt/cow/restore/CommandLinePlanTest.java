package org.vmckpt.cow.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.Manifest.DiskState;
import org.vmckpt.core.Manifest.GuestDefinition;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

class CommandLinePlanTest {
    @TempDir Path host;
    private Path qmp;
    private Path disks;
    private final List<DiskState> states = new ArrayList<>();
    private final Map<Path, Path> maps = new HashMap<>();
    private final List<String> given = new ArrayList<>();
    private Optional<Path> served = Optional.empty();

    @BeforeEach
    void newHost() {
        qmp = host.resolve("new.qmp");
        disks = host.resolve("disks");
    }

    private void disk(String device, String path, String format) {
        states.add(new DiskState(device, "#block1", path, format, 1 << 20, List.of()));
    }

    private CommandLinePlan plan(String... arguments) throws VmckptException {
        GuestDefinition guest =
                new GuestDefinition(
                        "vm",
                        "",
                        "7.2.22",
                        "",
                        "/usr/bin/qemu-system-x86_64",
                        List.of(arguments),
                        "/old",
                        "pc-i440fx-7.2",
                        "tcg",
                        List.of(),
                        "/old/run/qmp.sock",
                        1,
                        true);
        Problems problems = new Problems();
        CommandLinePlan plan =
                CommandLinePlan.of(
                        guest,
                        DiskOverlays.layOut(states, disks, served),
                        qmp,
                        maps,
                        given,
                        Takeover.NONE,
                        problems);
        problems.throwIfAny("restore of test");
        return plan;
    }

    private List<String> rewrite(String... arguments) throws VmckptException {
        return plan(arguments).line().arguments();
    }

    private String value(String option, String... arguments) throws VmckptException {
        List<String> line = rewrite(arguments);
        assertThat(line).contains(option);
        return line.get(line.indexOf(option) + 1);
    }

    private Path file(String name) throws IOException {
        Path file = host.resolve(name);
        Files.createDirectories(file.getParent());
        return Files.createFile(file);
    }

    @Test
    void aVolumeBecomesAFileThatNobodyNeedsToServe() throws VmckptException {
        disk("/machine/peripheral/vd/virtio-backend", "nbd+unix:///v?socket=/run/v.nbd", "nbd");
        assertThat(
                        value(
                                "-blockdev",
                                "-blockdev",
                                "driver=nbd,node-name=d,export=v,reconnect-delay=9,server.type=unix,server.path=/run/v.nbd"))
                .isEqualTo(
                        "driver=qcow2,node-name=d,file.driver=file,file.filename="
                                + disks.resolve("vd.qcow2"));
    }

    @Test
    void aVolumeThatIsADriveBecomesAFileOrAVolumeAgain() throws VmckptException {
        disk("d", "nbd+unix:///v?socket=/run/v.nbd", "nbd");
        String drive =
                "if=none,id=d,cache=none,driver=nbd,export=v,server.type=unix,server.path=/run/v.nbd";
        assertThat(value("-drive", "-drive", drive))
                .isEqualTo(
                        "if=none,id=d,cache=none,file=%s,format=qcow2"
                                .formatted(disks.resolve("d.qcow2")));
        served = Optional.of(disks.resolve("s.nbd"));
        assertThat(value("-drive", "-drive", drive))
                .isEqualTo("if=none,id=d,cache=none," + served("d"));
    }

    private String served(String export) {
        return "driver=nbd,export=%s,server.type=unix,server.path=%s,reconnect-delay=60"
                .formatted(export, disks.resolve("s.nbd"));
    }

    @Test
    void aServedDiskIsAnNbdNodeWhoseDeviceStopsAtErrors() throws VmckptException {
        served = Optional.of(disks.resolve("s.nbd"));
        disk("/machine/peripheral/vd/virtio-backend", "/img/d.qcow2", "qcow2");
        assertThat(
                        rewrite(
                                "-blockdev",
                                "driver=file,filename=/img/d.qcow2,node-name=f,aio=native,cache.direct=on",
                                "-blockdev",
                                "driver=qcow2,file=f,node-name=d,l2-cache-size=1M,discard=unmap,cache.direct=on",
                                "-device",
                                "virtio-blk-pci,drive=d,id=vd"))
                .containsSubsequence(
                        "-blockdev",
                        "driver=nbd,node-name=d,discard=unmap,cache.direct=on,"
                                + served("vd").substring("driver=nbd,".length()),
                        "-device",
                        "virtio-blk-pci,drive=d,id=vd,werror=stop,rerror=stop")
                .noneMatch(argument -> argument.contains("d.qcow2"));
    }

    @Test
    void whatADeviceWasToldToDoAtErrorsStays() throws VmckptException {
        served = Optional.of(disks.resolve("s.nbd"));
        disk("d", "/img/d.raw", "raw");
        disk("e", "/img/e.raw", "raw");
        assertThat(
                        rewrite(
                                "-drive",
                                "file=/img/d.raw,format=raw,if=none,id=d,cache=none",
                                "-device",
                                "scsi-hd,drive=d,werror=report,rerror=auto",
                                "-drive",
                                "file=/img/e.raw,format=raw,if=virtio,id=e"))
                .containsSubsequence(
                        "-drive",
                        "if=none,id=d,cache=none," + served("d"),
                        "-device",
                        "scsi-hd,drive=d,werror=report,rerror=stop",
                        "-drive",
                        "if=virtio,id=e," + served("e") + ",werror=stop,rerror=stop");
    }

    @Test
    void aVolumeIsServedFromItsNewPlace() throws VmckptException {
        served = Optional.of(disks.resolve("s.nbd"));
        disk("/machine/peripheral/vd/virtio-backend", "nbd+unix:///v?socket=/run/v.nbd", "nbd");
        assertThat(
                        value(
                                "-blockdev",
                                "-blockdev",
                                "{\"driver\":\"nbd\",\"node-name\":\"d\",\"export\":\"v\",\"reconnect-delay\":9,\"server\":{\"type\":\"unix\",\"path\":\"/run/v.nbd\"}}"))
                .isEqualTo(
                        "{\"driver\":\"nbd\",\"node-name\":\"d\",\"export\":\"vd\",\"server\":{\"type\":\"unix\",\"path\":\""
                                + disks.resolve("s.nbd")
                                + "\"},\"reconnect-delay\":60}");
    }

    @Test
    void anotherNbdDiskIsNotTakenForTheVolume() {
        disk("/machine/peripheral/vd/virtio-backend", "nbd+unix:///v?socket=/run/v.nbd", "nbd");
        assertThatThrownBy(() ->
                        plan(
                                "-blockdev",
                                "driver=nbd,node-name=d,export=w,server.type=unix,server.path=/run/v.nbd"))
                .hasMessageContaining("node-name=d");
    }

    // ---- the QMP socket and the machine

    @Test
    void aPlainGuestGetsSocketMachineAndIncoming() throws VmckptException {
        assertThat(rewrite("-m", "64", "-qmp", "unix:/old/run/qmp.sock,server=on,wait=off"))
                .containsExactly(
                        "-m",
                        "64",
                        "-qmp",
                        "unix:" + qmp + ",server=on,wait=off",
                        "-machine",
                        "pc-i440fx-7.2",
                        "-incoming",
                        "defer",
                        "-S");
    }

    @Test
    void olderSocketSpellingBecomesAServer() throws VmckptException {
        assertThat(value("-qmp", "-qmp", "unix:run/qmp.sock,server,nowait"))
                .isEqualTo("unix:" + qmp + ",server=on,wait=off");
    }

    @Test
    void aMonitorOverAChardevIsMoved() throws VmckptException {
        assertThat(
                        value(
                                "-chardev",
                                "-chardev",
                                "socket,id=mon0,path=/old/run/qmp.sock,server=on,wait=off",
                                "-mon",
                                "chardev=mon0,mode=control"))
                .isEqualTo("socket,id=mon0,path=" + qmp + ",server=on,wait=off");
    }

    @Test
    void aPassedMonitorDescriptorBecomesASocket() throws VmckptException {
        assertThat(
                        value(
                                "-chardev",
                                "-chardev",
                                "socket,id=charmonitor,fd=22,server=on,wait=off",
                                "-mon",
                                "chardev=charmonitor,id=monitor,mode=control"))
                .isEqualTo("socket,id=charmonitor,server=on,wait=off,path=" + qmp);
    }

    @Test
    void ofTwoMonitorsTheOneThatTookTheCheckpointIsMoved() throws VmckptException {
        maps.put(Path.of("/old/other.sock"), host.resolve("other.sock"));
        List<String> line =
                rewrite(
                        "-qmp",
                        "unix:/old/other.sock,server=on,wait=off",
                        "-qmp",
                        "unix:/old/run/qmp.sock,server=on,wait=off");
        assertThat(line.get(1)).contains(host.resolve("other.sock").toString());
        assertThat(line.get(3)).contains(qmp.toString());
    }

    @Test
    void aGuestWithoutQmpGetsIt() throws VmckptException {
        assertThat(value("-qmp", "-m", "64")).isEqualTo("unix:" + qmp + ",server=on,wait=off");
    }

    @Test
    void aMachineAliasIsPinnedToItsVersion() throws VmckptException {
        assertThat(value("-machine", "-M", "pc,accel=kvm:tcg,memory-backend=mem0"))
                .isEqualTo("pc-i440fx-7.2,accel=tcg,memory-backend=mem0");
        assertThat(value("-machine", "-machine", "accel=tcg,usb=off"))
                .isEqualTo("accel=tcg,usb=off,type=pc-i440fx-7.2");
    }

    @Test
    void onlyTheAcceleratorInUseStays() throws VmckptException {
        assertThat(rewrite("-accel", "kvm", "-accel", "tcg,thread=multi"))
                .doesNotContain("kvm")
                .contains("tcg,thread=multi");
    }

    @Test
    void howTheFirstQemuStartedIsForgotten() throws VmckptException {
        assertThat(rewrite("-incoming", "tcp:0:1", "-loadvm", "s", "-daemonize", "-S"))
                .doesNotContain("tcp:0:1", "-loadvm", "-daemonize")
                .containsOnlyOnce("-incoming")
                .containsOnlyOnce("-S");
    }

    @Test
    void aRestoredGuestIsRestoredAgainByTheSameRules() throws VmckptException {
        disk("virtio0", "/old/disk.raw", "raw");
        List<String> first =
                rewrite(
                        "-M",
                        "pc",
                        "-drive",
                        "file=disk.raw,if=virtio",
                        "-qmp",
                        "unix:/old/run/qmp.sock,server,nowait");
        Path firstDisks = disks;
        Path firstQmp = qmp;
        states.clear();
        disk("virtio0", firstDisks.resolve("virtio0.qcow2").toString(), "qcow2");
        disks = host.resolve("second");
        qmp = host.resolve("second.qmp");
        assertThat(String.join(" ", rewrite(first.toArray(String[]::new))))
                .isEqualTo(
                        String.join(" ", first)
                                .replace(firstDisks.toString(), disks.toString())
                                .replace(firstQmp.toString(), qmp.toString()));
    }

    // ---- disks

    @Test
    void aDriveGetsItsOverlay() throws VmckptException {
        disk("virtio0", "/old/disk.raw", "raw");
        assertThat(value("-drive", "-drive", "file=disk.raw,if=virtio,format=raw,cache=none"))
                .isEqualTo("file=" + disks + "/virtio0.qcow2,if=virtio,format=qcow2,cache=none");
    }

    @Test
    void aDriveOfTheHypervisorManagersKindGetsItsOverlay() throws VmckptException {
        disk("drive-scsi0", "/var/lib/vz/images/100/vm-100-disk-0.qcow2", "qcow2");
        assertThat(
                        value(
                                "-drive",
                                "-id",
                                "100",
                                "-name",
                                "vm,debug-threads=on",
                                "-drive",
                                "file=/var/lib/vz/images/100/vm-100-disk-0.qcow2,if=none,id=drive-scsi0,format=qcow2,cache=none,aio=io_uring,detect-zeroes=on",
                                "-device",
                                "scsi-hd,bus=scsihw0.0,scsi-id=0,drive=drive-scsi0,id=scsi0,bootindex=100"))
                .isEqualTo(
                        "file=%s/drive-scsi0.qcow2,if=none,id=drive-scsi0,format=qcow2,cache=none,aio=io_uring,detect-zeroes=on"
                                .formatted(disks));
    }

    @Test
    void aDriveSpelledInMembersGetsItsOverlay() throws VmckptException {
        disk("d", "/old/a,b.img", "raw");
        assertThat(
                        value(
                                "-drive",
                                "-drive",
                                "driver=raw,file.driver=file,file.filename=/old/a,,b.img,file.locking=off,id=d"))
                .isEqualTo("id=d,file=" + disks + "/d.qcow2,format=qcow2");
    }

    @Test
    void aDriveSpelledAsJsonGetsItsOverlay() throws VmckptException {
        disk("d", "/old/x.img", "raw");
        assertThat(
                        value(
                                "-drive",
                                "-drive",
                                "file=json:{\"driver\":\"raw\",,\"file\":{\"driver\":\"file\",,\"filename\":\"/old/x.img\"}},id=d"))
                .isEqualTo("file=" + disks + "/d.qcow2,id=d,format=qcow2");
    }

    @Test
    void shorthandsBecomeDrives() throws VmckptException {
        disk("ide0-hd0", "/old/a.img", "raw");
        assertThat(value("-drive", "-hda", "a.img"))
                .isEqualTo("index=0,media=disk,file=" + disks + "/ide0-hd0.qcow2,format=qcow2");
        assertThat(value("-drive", "/old/a.img")).startsWith("index=0,media=disk,file=" + disks);
        assertThat(value("-drive", "-pflash", "/old/a.img"))
                .isEqualTo("if=pflash,file=" + disks + "/ide0-hd0.qcow2,format=qcow2");
    }

    @Test
    void aFormatNodeWithItsFileInsideGetsItsOverlay() throws VmckptException {
        disk("d", "/old/x.img", "raw");
        assertThat(
                        value(
                                "-blockdev",
                                "-blockdev",
                                "driver=raw,node-name=n,file.driver=host_device,file.filename=/old/x.img,offset=0"))
                .isEqualTo(
                        "driver=qcow2,node-name=n,file.driver=file,file.filename="
                                + disks
                                + "/d.qcow2");
    }

    @Test
    void aPairOfNodesGetsItsOverlay() throws VmckptException {
        disk("d", "/old/x.img", "raw");
        assertThat(
                        rewrite(
                                "-blockdev",
                                "driver=file,filename=/old/x.img,node-name=f,aio=native,cache.direct=on",
                                "-blockdev",
                                "driver=raw,file=f,node-name=n"))
                .startsWith(
                        "-blockdev",
                        "driver=file,filename="
                                + disks
                                + "/d.qcow2,node-name=f,aio=native,cache.direct=on",
                        "-blockdev",
                        "driver=qcow2,file=f,node-name=n");
    }

    @Test
    void aFileNodeAloneIsConverted() throws VmckptException {
        disk("d", "/old/x.img", "raw");
        assertThat(
                        value(
                                "-blockdev",
                                "-blockdev",
                                "driver=file,filename=/old/x.img,node-name=n,aio=threads,cache.direct=on"))
                .isEqualTo(
                        "driver=qcow2,node-name=n,cache.direct=on,file.driver=file,file.filename="
                                + disks
                                + "/d.qcow2,file.aio=threads");
    }

    @Test
    void aLibvirtChainKeepsOnlyItsTop() throws VmckptException {
        disk("libvirt-1-format", "/old/top.qcow2", "qcow2");
        assertThat(
                        rewrite(
                                "-blockdev",
                                "{\"driver\":\"file\",\"filename\":\"/old/base.img\",\"node-name\":\"libvirt-2-storage\",\"auto-read-only\":true,\"discard\":\"unmap\"}",
                                "-blockdev",
                                "{\"node-name\":\"libvirt-2-format\",\"read-only\":true,\"driver\":\"raw\",\"file\":\"libvirt-2-storage\"}",
                                "-blockdev",
                                "{\"driver\":\"file\",\"filename\":\"/old/top.qcow2\",\"node-name\":\"libvirt-1-storage\",\"auto-read-only\":true,\"discard\":\"unmap\"}",
                                "-blockdev",
                                "{\"node-name\":\"libvirt-1-format\",\"read-only\":false,\"driver\":\"qcow2\",\"file\":\"libvirt-1-storage\",\"backing\":\"libvirt-2-format\"}",
                                "-device",
                                "{\"driver\":\"virtio-blk-pci\",\"drive\":\"libvirt-1-format\",\"id\":\"virtio-disk0\"}"))
                .startsWith(
                        "-blockdev",
                        "{\"driver\":\"file\",\"filename\":\"%s/libvirt-1-format.qcow2\",\"node-name\":\"libvirt-1-storage\",\"auto-read-only\":true,\"discard\":\"unmap\"}"
                                .formatted(disks),
                        "-blockdev",
                        "{\"node-name\":\"libvirt-1-format\",\"read-only\":false,\"driver\":\"qcow2\",\"file\":\"libvirt-1-storage\"}",
                        "-device");
    }

    @Test
    void twoDisksOfOneNameGetFilesOfTheirOwn() {
        disk("/machine/peripheral/a", "/old/1", "raw");
        disk("/machine/peripheral/b", "/old/2", "raw");
        assertThat(DiskOverlays.layOut(states, disks, served))
                .extracting(RestoredDisk::overlay)
                .containsExactly(disks.resolve("disk.qcow2"), disks.resolve("disk-2.qcow2"));
    }

    @Test
    void imagesThatAreOnlyReadAreMapped() throws VmckptException, IOException {
        Path iso = file("media/os.iso");
        maps.put(Path.of("/old/media"), host.resolve("media"));
        assertThat(value("-cdrom", "-cdrom", "media/os.iso")).isEqualTo(iso.toString());
        assertThat(value("-drive", "-drive", "file=/old/media/os.iso,media=cdrom"))
                .isEqualTo("file=" + iso + ",media=cdrom");
        assertThat(
                        value(
                                "-blockdev",
                                "-blockdev",
                                "driver=file,read-only=on,filename=/old/media/os.iso,node-name=c"))
                .contains(iso.toString());
    }

    @Test
    void aWritableDiskWithoutStateIsRefused() {
        assertThatThrownBy(() -> rewrite("-drive", "file=/old/x.img,if=virtio"))
                .isInstanceOf(UnsupportedException.class)
                .hasMessageContaining("/old/x.img")
                .hasMessageContaining("holds no state");
        assertThatThrownBy(() -> rewrite("-drive", "file=nbd://other:10809/x,id=n"))
                .hasMessageContaining("nbd://other:10809/x");
        assertThatThrownBy(() -> rewrite("-blockdev", "driver=rbd,pool=p,image=i,node-name=r"))
                .hasMessageContaining("node-name=r");
    }

    @Test
    void aDiskThatWasPluggedInLaterIsRefused() {
        disk("hot", "/old/hot.img", "raw");
        assertThatThrownBy(() -> rewrite("-m", "64"))
                .isInstanceOf(UnsupportedException.class)
                .hasMessageContaining("hot.img")
                .hasMessageContaining("plugged in later");
    }

    @Test
    void anEmptyDriveIsKept() throws VmckptException {
        assertThat(value("-drive", "-drive", "if=ide,media=cdrom,id=cd"))
                .isEqualTo("if=ide,media=cdrom,id=cd");
        assertThat(value("-blockdev", "-blockdev", "driver=null-co,node-name=z"))
                .isEqualTo("driver=null-co,node-name=z");
    }

    // ---- other paths

    @Test
    void theLongestRuleWinsAndRelativePathsBecomeAbsolute() throws VmckptException, IOException {
        Path kernel = file("special/vmlinuz");
        maps.put(Path.of("/old"), host.resolve("other"));
        maps.put(Path.of("/old/boot"), host.resolve("special"));
        assertThat(value("-kernel", "-kernel", "boot/vmlinuz")).isEqualTo(kernel.toString());
    }

    @Test
    void everyMissingFileIsNamedAtOnce() {
        assertThatThrownBy(
                        () -> rewrite("-kernel", "/old/vmlinuz", "-initrd", "rd", "-bios", "b.bin"))
                .isInstanceOf(NotFoundException.class)
                .hasMessageContaining("--map /old/vmlinuz=NEW")
                .hasMessageContaining("--map /old/rd=NEW")
                .hasMessageContaining("--map /old/b.bin=NEW");
    }

    @Test
    void anExistingOutputIsAConflict() throws IOException {
        Path log = file("serial.log");
        for (List<String> arguments :
                List.of(
                        List.of("-serial", "file:" + log),
                        List.of("-serial", "unix:" + log + ",server=on,wait=off"),
                        List.of("-monitor", "unix:" + log + ",server,nowait"),
                        List.of("-pidfile", log.toString()),
                        List.of("-D", log.toString()),
                        List.of("-vnc", "unix:" + log),
                        List.of("-chardev", "file,id=c,path=" + log),
                        List.of("-chardev", "stdio,id=c,logfile=" + log),
                        List.of("-chardev", "socket,id=c,path=" + log + ",server=on"),
                        List.of("-object", "memory-backend-file,id=m,size=1M,mem-path=" + log))) {
            assertThatThrownBy(() -> rewrite(arguments.toArray(String[]::new)))
                    .as("%s", arguments)
                    .isInstanceOf(ConflictException.class)
                    .hasMessageContaining("--map " + log + "=NEW");
        }
    }

    @Test
    void outputsAreMappedAndRemembered() throws VmckptException {
        maps.put(Path.of("/old/log"), host);
        CommandLinePlan plan =
                plan(
                        "-serial",
                        "file:/old/log/serial",
                        "-chardev",
                        "socket,id=c,path=/old/log/c.sock,server=on,wait=off,logfile=/old/log/c.log",
                        "-object",
                        "memory-backend-file,id=mem0,share=on,size=64M,mem-path=/old/log/ram");
        assertThat(plan.line().arguments())
                .contains(
                        "file:" + host + "/serial",
                        "socket,id=c,path=%s/c.sock,server=on,wait=off,logfile=%s/c.log"
                                .formatted(host, host),
                        "memory-backend-file,id=mem0,share=on,size=64M,mem-path=" + host + "/ram");
        assertThat(plan.outputs())
                .containsExactlyInAnyOrder(
                        host.resolve("serial"),
                        host.resolve("c.sock"),
                        host.resolve("c.log"),
                        host.resolve("ram"));
    }

    @Test
    void aMemoryFolderIsReadOnly() throws VmckptException {
        assertThat(plan("-object", "memory-backend-file,id=m,mem-path=" + host).outputs())
                .isEmpty();
    }

    @Test
    void anOutputWhoseFolderIsMissingIsNamed() {
        assertThatThrownBy(() -> rewrite("-serial", "file:/old/log/serial"))
                .isInstanceOf(NotFoundException.class)
                .hasMessageContaining("--map /old/log/serial=NEW");
    }

    @Test
    void devicesOfTheSystemAreNotOutputs() throws VmckptException {
        assertThat(value("-serial", "-serial", "/dev/null")).isEqualTo("/dev/null");
        assertThat(value("-D", "-D", "/dev/stderr")).isEqualTo("/dev/stderr");
    }

    // ---- what ties a guest to its host

    @Test
    void hostNetworksNeedAnAnswer() {
        assertThatThrownBy(() ->
                        rewrite(
                                "-netdev",
                                "tap,id=net0,ifname=tap0,script=no",
                                "-netdev",
                                "{\"type\":\"tap\",\"fd\":\"24\",\"id\":\"hostnet0\"}",
                                "-nic",
                                "bridge,br=br0"))
                .isInstanceOf(UnsupportedException.class)
                .hasMessageContaining("--arg \"-netdev user,id=net0\"")
                .hasMessageContaining("--arg \"-netdev user,id=hostnet0\"")
                .hasMessageContaining("--arg \"-nic user\"");
    }

    @Test
    void aGivenArgumentTakesThePlaceOfATap() throws VmckptException {
        given.add("-netdev user,id=net0");
        assertThat(
                        rewrite(
                                "-netdev",
                                "tap,id=net0,ifname=tap0",
                                "-device",
                                "virtio-net-pci,netdev=net0"))
                .startsWith("-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0");
    }

    @Test
    void passedThroughDevicesNeedAnAnswer() {
        for (List<String> arguments :
                List.of(
                        List.of("-device", "vfio-pci,host=01:00.0"),
                        List.of("-device", "{\"driver\":\"usb-host\",\"id\":\"h\"}"),
                        List.of("-device", "vhost-vsock-pci,guest-cid=3"),
                        List.of("-chardev", "tty,id=t,path=/dev/ttyS0"),
                        List.of("-serial", "/dev/ttyS0"),
                        List.of("-tpmdev", "passthrough,id=t"),
                        List.of("-add-fd", "set=1,fd=3"),
                        List.of("-chardev", "socket,id=s,fd=9"),
                        List.of("-usbdevice", "host:1.2"),
                        List.of("-object", "input-linux,id=k,evdev=/dev/input/event0"))) {
            assertThatThrownBy(() -> rewrite(arguments.toArray(String[]::new)))
                    .as("%s", arguments)
                    .isInstanceOf(UnsupportedException.class);
        }
    }

    @Test
    void aTakenPortIsAConflict() throws IOException {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            int port = taken.getLocalPort();
            for (List<String> arguments :
                    List.of(
                            List.of("-netdev", "user,id=n,hostfwd=tcp:127.0.0.1:" + port + "-:22"),
                            List.of("-nic", "user,hostfwd=tcp::" + port + "-:22"),
                            List.of("-serial", "tcp:127.0.0.1:" + port + ",server=on"),
                            List.of("-gdb", "tcp::" + port),
                            List.of("-vnc", "127.0.0.1:" + (port - 5900)),
                            List.of(
                                    "-chardev",
                                    "socket,id=c,host=127.0.0.1,port=" + port + ",server=on"))) {
                assertThatThrownBy(() -> rewrite(arguments.toArray(String[]::new)))
                        .as("%s", arguments)
                        .isInstanceOf(ConflictException.class)
                        .hasMessageContaining("port " + port);
            }
        }
    }

    // ---- arguments given by the user

    @Test
    void givenArgumentsReplaceByNameAndId() throws VmckptException {
        given.add("-device virtio-rng-pci,max-bytes=1");
        given.add("-m 128");
        given.add("-device 'e1000,id=nic2'");
        given.add("-global a.b=c");
        assertThat(
                        rewrite(
                                "-m",
                                "64",
                                "-device",
                                "virtio-rng-pci",
                                "-device",
                                "e1000,id=nic1",
                                "-global",
                                "x.y=z"))
                .startsWith(
                        "-m",
                        "128",
                        "-device",
                        "virtio-rng-pci,max-bytes=1",
                        "-device",
                        "e1000,id=nic1",
                        "-global",
                        "x.y=z",
                        "-device",
                        "e1000,id=nic2",
                        "-global",
                        "a.b=c");
    }

    @Test
    void givenPathsAreTakenAsTheyAre() throws VmckptException {
        maps.put(Path.of("/old"), host);
        given.add("-kernel /old/none");
        assertThat(value("-kernel", "-kernel", "/old/vmlinuz")).isEqualTo("/old/none");
    }

    @Test
    void aGivenWordThatIsNoOptionIsRefused() {
        given.add("user,id=net0");
        assertThatThrownBy(() -> rewrite("-m", "64"))
                .isInstanceOf(UnsupportedException.class)
                .hasMessageContaining("--arg \"-NAME VALUE\"");
    }

    @Test
    void theHardestProblemDecidesTheKindOfTheError() throws IOException {
        Path log = file("log");
        assertThatThrownBy(() -> rewrite("-D", log.toString(), "-kernel", "/old/k"))
                .isInstanceOf(NotFoundException.class)
                .hasMessageContaining(log.toString())
                .hasMessageContaining("nothing was changed");
    }
}
