package org.vmckpt.cow.restore;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Json;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.SegmentKind;
import org.vmckpt.core.store.SegmentWriter;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.definition.GuestDefinitionReader;
import org.vmckpt.cow.linux.GuestFile;
import org.vmckpt.cow.memory.GuestMemory;
import org.vmckpt.cow.memory.RamRegion;

/**
 * A real QEMU with a boot sector that counts up every 16-bit word of 64 KiB at {@link
 * #COUNTERS_ADDRESS}, for ever. It is saved the plain way: stop it, then copy everything.
 */
final class StoppedGuest implements AutoCloseable {
    static final int MEMORY_BYTES = 32 << 20;
    static final int DISK_BYTES = 1 << 20;
    static final int COUNTERS_ADDRESS = 0x20000;
    static final int COUNTERS_BYTES = 0x10000;

    /** Marks the second half of the disk; the guest never writes there. */
    static final byte DISK_MARK = 0x5a;

    private static final Duration TIMEOUT = Duration.ofSeconds(60);
    private static final int PAGE_BYTES = 4096;
    private static final int DISK_UNIT_BYTES = 65536;

    /** cli; ds = 0; es = 2000h; di = 0; again: inc word es:[di]; add di, 2; jmp again. */
    private static final int[] BOOT_CODE = {
        0xFA, 0x31, 0xC0, 0x8E, 0xD8, 0xB8, 0x00, 0x20, 0x8E, 0xC0, 0x31, 0xFF, //
        0x26, 0xFF, 0x05, 0x83, 0xC7, 0x02, 0xEB, 0xF8
    };

    private final Path folder;
    private final Path disk;
    private final Process process;
    private final QmpClient qmp;

    /** The disk as most people give it. */
    static final List<String> PLAIN_DISK = List.of("-drive", "file=boot.raw,if=ide,format=raw");

    static final String MEMFD = "memory-backend-memfd,id=mem0,share=on,size=32M";

    StoppedGuest(Path folder, List<String> moreArguments) throws IOException, VmckptException {
        this(folder, MEMFD, PLAIN_DISK, moreArguments);
    }

    /**
     * Starts the guest.
     *
     * @param memory the object mem0
     * @param diskArguments options that make {@code boot.raw} in the folder the first hard disk
     */
    StoppedGuest(Path folder, String memory, List<String> diskArguments, List<String> moreArguments)
            throws IOException, VmckptException {
        this.folder = folder;
        this.disk = folder.resolve("boot.raw");
        byte[] content = new byte[DISK_BYTES];
        for (int i = 0; i < BOOT_CODE.length; i++) {
            content[i] = (byte) BOOT_CODE[i];
        }
        content[510] = 0x55;
        content[511] = (byte) 0xAA;
        Arrays.fill(content, DISK_BYTES / 2, DISK_BYTES, DISK_MARK);
        Files.write(disk, content);
        List<String> command =
                new ArrayList<>(
                        List.of(
                                "qemu-system-x86_64",
                                "-name",
                                "counter",
                                "-machine",
                                "pc,memory-backend=mem0",
                                "-object",
                                memory,
                                "-m",
                                "32",
                                "-nodefaults",
                                "-display",
                                "none",
                                "-qmp",
                                "unix:source.qmp,server=on,wait=off"));
        command.addAll(diskArguments);
        command.addAll(moreArguments);
        if (!moreArguments.contains("-accel")) {
            command.addAll(List.of("-accel", "tcg"));
        }
        this.process =
                new ProcessBuilder(command)
                        .directory(folder.toFile())
                        .redirectErrorStream(true)
                        .redirectOutput(folder.resolve("source.log").toFile())
                        .start();
        this.qmp = connect();
    }

    private QmpClient connect() throws IOException, VmckptException {
        Path socket = folder.resolve("source.qmp");
        long deadline = System.nanoTime() + TIMEOUT.toNanos();
        while (process.isAlive() && System.nanoTime() < deadline) {
            try {
                return QmpClient.connect(socket, TIMEOUT);
            } catch (NotFoundException e) {
                Thread.onSpinWait();
            }
        }
        process.destroyForcibly();
        throw new IOException(
                "QEMU does not start: " + Files.readString(folder.resolve("source.log")));
    }

    long pid() {
        return process.pid();
    }

    QmpClient qmp() {
        return qmp;
    }

    /** All guest memory of a QEMU, holes as zeros. */
    static byte[] memoryOf(long pid, QmpClient qmp) throws VmckptException, IOException {
        RamRegion region = GuestMemory.inspect(pid, qmp).getFirst();
        byte[] memory = new byte[(int) region.sizeBytes()];
        try (GuestFile file = GuestFile.openForReading(region.mapFile())) {
            file.pread(ByteBuffer.wrap(memory), region.fileOffset());
        }
        return memory;
    }

    byte[] memory() throws VmckptException, IOException {
        return memoryOf(pid(), qmp);
    }

    /** Waits until the boot sector has filled its counters. */
    void awaitCounting() throws VmckptException, IOException {
        long deadline = System.nanoTime() + TIMEOUT.toNanos();
        while (memory()[COUNTERS_ADDRESS + COUNTERS_BYTES - 2] == 0) {
            if (System.nanoTime() > deadline) {
                throw new IOException("the boot sector does not run");
            }
        }
    }

    /** Stops the guest and puts everything of it into the store. */
    Manifest save(Store store) throws VmckptException, IOException {
        var definition = GuestDefinitionReader.read(pid(), qmp);
        qmp.execute("stop");
        byte[] stream = deviceStream();
        Manifest manifest =
                new Manifest(
                        CheckpointId.create(Instant.now()),
                        Optional.empty(),
                        Instant.now(),
                        "pause",
                        definition,
                        new Manifest.DeviceState(
                                store.putBytes(SegmentKind.DEVICE, stream), stream.length),
                        List.of(
                                new Manifest.MemoryBlock(
                                        "mem0",
                                        MEMORY_BYTES,
                                        PAGE_BYTES,
                                        List.of(
                                                segment(
                                                        store,
                                                        SegmentKind.MEMORY,
                                                        PAGE_BYTES,
                                                        memory())))),
                        List.of(
                                new Manifest.DiskState(
                                        "ide0-hd0",
                                        "#block1",
                                        disk.toString(),
                                        "raw",
                                        DISK_BYTES,
                                        List.of(
                                                segment(
                                                        store,
                                                        SegmentKind.DISK,
                                                        DISK_UNIT_BYTES,
                                                        Files.readAllBytes(disk))))),
                        Map.of());
        store.publish(manifest);
        return manifest;
    }

    private static SegmentName segment(Store store, SegmentKind kind, int unitBytes, byte[] content)
            throws VmckptException {
        try (SegmentWriter writer = store.newSegment(kind, unitBytes, content.length)) {
            for (int offset = 0; offset < content.length; offset += unitBytes) {
                ByteBuffer unit = ByteBuffer.allocateDirect(unitBytes);
                unit.put(0, content, offset, unitBytes);
                writer.append(new long[] {offset / unitBytes}, 1, unit);
            }
            return writer.finish();
        }
    }

    private byte[] deviceStream() throws VmckptException, IOException {
        ObjectNode capabilities = Json.MAPPER.createObjectNode();
        capabilities
                .putArray("capabilities")
                .addObject()
                .put("capability", "x-ignore-shared")
                .put("state", true);
        qmp.execute("migrate-set-capabilities", capabilities);
        Path socket = folder.resolve("migration.sock");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(socket));
            qmp.execute("migrate", Json.MAPPER.createObjectNode().put("uri", "unix:" + socket));
            try (SocketChannel peer = server.accept()) {
                return Channels.newInputStream(peer).readAllBytes();
            }
        } finally {
            Files.deleteIfExists(socket);
        }
    }

    @Override
    public void close() {
        qmp.close();
        process.destroyForcibly();
        try {
            process.waitFor();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
