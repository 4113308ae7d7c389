package org.vmckpt.cow.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.Json;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.qmp.StagedCommand;
import org.vmckpt.core.stream.DeviceStreamBuilder;
import org.vmckpt.cow.definition.GuestDefinitionReader;
import org.vmckpt.cow.disk.StateFile;
import org.vmckpt.cow.memory.AuxiliaryCopy;
import org.vmckpt.cow.memory.AuxiliaryMemory;
import org.vmckpt.cow.memory.DiscardingDevices;
import org.vmckpt.cow.memory.RamRegion;

/**
 * QEMU writes its devices alone, with {@code xen-save-devices-state}, which works without Xen too.
 * ROMs, ACPI tables and video memory are read from outside, and the stream is put together.
 *
 * <p>For memory that QEMU would send whole with every other command, since it has no file name; and
 * wherever it can be used, since a snapshot takes four times as long.
 *
 * <p>{@code live} must be false: else QEMU takes the disks from a guest that it finds stopped. The
 * command leaves such a guest as it is.
 */
final class PlainDeviceSaver implements DeviceSaver {
    private static final String COMMAND = "xen-save-devices-state";
    private static final Duration SAVE_LIMIT = Duration.ofSeconds(20);
    private static final long LARGEST_FILE_BYTES = 64L << 20;

    private static final Logger LOG = LoggerFactory.getLogger(PlainDeviceSaver.class);

    private final QmpClient qmp;
    private final Path file;
    private final StagedCommand command;
    private final String machine;
    private final AuxiliaryMemory memory;
    private final AuxiliaryCopy copy;
    private boolean writing;

    private PlainDeviceSaver(
            QmpClient qmp, Path file, String machine, AuxiliaryMemory memory, AuxiliaryCopy copy) {
        this.qmp = qmp;
        this.file = file;
        this.machine = machine;
        this.memory = memory;
        this.copy = copy;
        ObjectNode arguments =
                Json.MAPPER.createObjectNode().put("filename", file.toString()).put("live", false);
        this.command = qmp.command(COMMAND, arguments);
    }

    /** Whether this QEMU has what it takes. */
    static boolean isOffered(long pid, QmpClient qmp) throws VmckptException {
        for (JsonNode command : qmp.execute("query-commands")) {
            if (command.path("name").asText().equals(COMMAND)) {
                return AuxiliaryMemory.isFound(pid, qmp);
            }
        }
        return false;
    }

    /** Whether it can be used for a guest whose memory QEMU leaves out of a stream by itself. */
    static boolean fits(GuestSession guest, List<RamRegion> captured) throws VmckptException {
        // A new QEMU compares the address of memory that it leaves out: 0, if it is all in one.
        if (captured.size() > 1 || !isOffered(guest.pid(), guest.qmp())) {
            return false;
        }
        try {
            inspect(guest.pid(), guest.qmp(), captured);
            return true;
        } catch (UnsupportedException e) {
            LOG.debug("not used: {}", e.getMessage());
            return false;
        }
    }

    /**
     * Looks at the guest, which is not disturbed.
     *
     * @param captured the memory backends
     * @throws UnsupportedException when its devices cannot be saved in this way
     */
    static AuxiliaryMemory inspect(long pid, QmpClient qmp, List<RamRegion> captured)
            throws VmckptException {
        // Every other command that saves devices would look at this itself.
        requireNotBlocked(qmp);
        // Its bitmap belongs before memory in the stream, and QEMU writes it among the devices.
        if (!new DiscardingDevices(qmp).virtioMem().isEmpty()) {
            throw new UnsupportedException(
                    "checkpoint: the guest has a virtio-mem device and memory without a file name:"
                            + " unplug the device, or give memory a file with memory-backend-file"
                            + " on tmpfs");
        }
        return AuxiliaryMemory.inspect(pid, qmp, captured);
    }

    private static void requireNotBlocked(QmpClient qmp) throws VmckptException {
        for (JsonNode reason : qmp.execute("query-migrate").path("blocked-reasons")) {
            throw new UnsupportedException(
                    "checkpoint: QEMU does not give the guest's state away: "
                            + reason.asText()
                            + "; remove the device or setting that it names");
        }
    }

    /**
     * Prepares for one pause.
     *
     * @param folder of temporary files in memory; QEMU's user can reach what is in it
     */
    static PlainDeviceSaver prepare(GuestSession guest, Path folder, List<RamRegion> captured)
            throws VmckptException {
        QmpClient qmp = guest.qmp();
        AuxiliaryMemory memory = inspect(guest.pid(), qmp, captured);
        String machine = GuestDefinitionReader.machineType(qmp);
        // QEMU would create it too, but for its group to read.
        Path file = StateFile.create(folder, "state");
        try {
            return new PlainDeviceSaver(qmp, file, machine, memory, memory.prepareCopy());
        } catch (VmckptException e) {
            StateFile.delete(file);
            throw e;
        }
    }

    @Override
    public void readMemory() throws VmckptException {
        copy.read();
    }

    @Override
    public void stage() throws VmckptException {
        command.stage();
    }

    @Override
    public void begin() throws VmckptException {
        command.send();
        writing = true;
    }

    @Override
    public void awaitEnd() throws VmckptException {
        command.await(SAVE_LIMIT);
        writing = false;
    }

    @Override
    public byte[] stream() throws VmckptException {
        // What blocks since the preparation did so in the pause, too.
        requireNotBlocked(qmp);
        // What was changed before the pause still is: nobody changes it back within milliseconds.
        memory.requireUnchanged();
        return DeviceStreamBuilder.build(machine, readFile(), memory.allBlocks(), copy.contents());
    }

    private byte[] readFile() throws VmckptException {
        try {
            long sizeBytes = Files.size(file);
            if (sizeBytes > LARGEST_FILE_BYTES) {
                throw new RefusedException(
                        "checkpoint: the devices' state is %d bytes, larger than %d: use the pause engine"
                                .formatted(sizeBytes, LARGEST_FILE_BYTES));
            }
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw new StorageException("reading the device state in " + file + ": " + e, e);
        }
    }

    @Override
    public void close() throws VmckptException {
        copy.close();
        try {
            if (writing) {
                // QEMU would make the file anew.
                command.await(SAVE_LIMIT);
            }
        } finally {
            StateFile.delete(file);
        }
    }
}
