package org.vmckpt.testvm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Says what guest is wanted; {@link #start} makes it. Sizes are in bytes. */
public final class TestGuestBuilder {
    long memoryBytes = 512L << 20;
    int vcpus = 2;
    int numaNodes = 1;
    String machine = "pc";
    GuestMemoryKind memoryKind = GuestMemoryKind.usual();
    Workload workload = Workload.idle(64L << 20);
    String qemu = "qemu-system-x86_64";
    final List<TestDisk> disks = new ArrayList<>();
    final List<String> wrapper = new ArrayList<>();
    final List<String> extraArguments = new ArrayList<>();
    final List<String> kernelParameters = new ArrayList<>();
    private final Map<String, String> environment = new LinkedHashMap<>();
    @Nullable Path memoryFolder;
    boolean secondMonitor;
    boolean guestAgent;
    private @Nullable Path directory;
    private @Nullable String slowDisk;

    TestGuestBuilder() {}

    public TestGuestBuilder memory(long bytes) {
        this.memoryBytes = bytes;
        return this;
    }

    public TestGuestBuilder vcpus(int count) {
        this.vcpus = count;
        return this;
    }

    /** More than one: each has a memory backend of its own, of an equal part of the memory. */
    public TestGuestBuilder numaNodes(int count) {
        this.numaNodes = count;
        return this;
    }

    /** {@code pc} or {@code q35}. */
    public TestGuestBuilder machine(String type) {
        this.machine = type;
        return this;
    }

    public TestGuestBuilder memoryKind(GuestMemoryKind kind) {
        this.memoryKind = kind;
        return this;
    }

    /** Where memory files lie, if not with all others. */
    public TestGuestBuilder memoryFolder(Path folder) {
        this.memoryFolder = folder;
        return this;
    }

    public TestGuestBuilder disk(TestDisk disk) {
        disks.add(disk);
        return this;
    }

    public TestGuestBuilder workload(Workload wanted) {
        this.workload = wanted;
        return this;
    }

    /** Where everything of the guest lies; its path must be short, it holds sockets. */
    public TestGuestBuilder directory(Path folder) {
        this.directory = folder;
        return this;
    }

    /** Another QEMU, for example of another version. */
    public TestGuestBuilder qemu(String program) {
        this.qemu = program;
        return this;
    }

    /** Starts QEMU through a command that ends in exec, for example {@code chroot DIR}. */
    public TestGuestBuilder wrapper(List<String> command) {
        wrapper.addAll(command);
        return this;
    }

    /** Runs QEMU in a network namespace that exists. */
    public TestGuestBuilder networkNamespace(String name) {
        return wrapper(List.of("ip", "netns", "exec", name));
    }

    public TestGuestBuilder extraArguments(List<String> arguments) {
        extraArguments.addAll(arguments);
        return this;
    }

    public TestGuestBuilder kernelParameter(String parameter) {
        kernelParameters.add(parameter);
        return this;
    }

    /** Gives it {@link TestGuest#secondQmpSocket}, for while a checkpoint keeps the first. */
    public TestGuestBuilder secondMonitor() {
        this.secondMonitor = true;
        return this;
    }

    /**
     * Runs the QEMU guest agent in it, behind {@link TestGuest#agentSocket}, and a program that
     * writes to an ext4 file system on the first disk, which the workload does not know.
     */
    public TestGuestBuilder guestAgent() {
        this.guestAgent = true;
        return this;
    }

    public TestGuestBuilder environment(String name, String value) {
        environment.put(name, value);
        return this;
    }

    /**
     * Lets {@link TestGuest#slowDisk} delay the writes to files whose path contains the text, for
     * example {@code disk0}.
     */
    public TestGuestBuilder slowDisk(String match) {
        this.slowDisk = match;
        return this;
    }

    /** Returns as soon as QEMU runs; the guest boots on. */
    public TestGuest start() {
        Path folder = prepareDirectory();
        GuestImage image = GuestImage.ensureBuilt();
        @Nullable SlowDisk slow = null;
        if (slowDisk != null) {
            slow = new SlowDisk(folder.resolve("slowdisk"), slowDisk);
            environment.putAll(slow.environment(image));
        }
        QemuArguments arguments = new QemuArguments(this, folder, image);
        arguments.createDisks();
        return TestGuest.start(folder, arguments.commandLine(), environment, slow);
    }

    private Path prepareDirectory() {
        try {
            if (directory == null) {
                return Files.createTempDirectory("vmckpt-guest");
            }
            Files.createDirectories(directory);
            return directory.toRealPath();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot make the guest's folder " + directory, e);
        }
    }
}
