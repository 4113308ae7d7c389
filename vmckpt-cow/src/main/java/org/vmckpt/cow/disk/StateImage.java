package org.vmckpt.cow.disk;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.EventWaiter;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.qmp.QmpEvent;
import org.vmckpt.core.qmp.StagedCommand;

/**
 * A small qcow2 image that belongs to no device, into which QEMU writes the guest's device state as
 * an internal snapshot.
 *
 * <p>The stream is the one that a migration sends, but a migration also takes the disks from the
 * guest when it ends, and {@code cont} opens every image of every chain again and drops the host's
 * cache of it: milliseconds in the pause. A snapshot leaves the disks alone, and the guest in the
 * state that it was in.
 */
public final class StateImage implements AutoCloseable {
    private static final Duration SETTLE_LIMIT = Duration.ofSeconds(20);
    private static final Set<String> ENDS = Set.of("concluded", "aborting");

    private final QmpClient qmp;
    private final String node;
    private final String job;
    private final Path path;
    private final EventWaiter ended;
    private @Nullable StagedCommand command;
    private boolean started;

    private StateImage(QmpClient qmp, Path path) {
        this.qmp = qmp;
        this.node = OverlayName.newStateNode();
        this.job = BlockJobs.ID_PREFIX + "save-" + node;
        this.path = path;
        this.ended = qmp.waitFor("end of QEMU job " + job, this::isEnd);
    }

    /**
     * Makes the image and adds it to QEMU; the guest does not notice.
     *
     * @param folder of temporary files in memory; QEMU's user can reach what is in it
     */
    public static StateImage attach(QmpClient qmp, Path folder) throws VmckptException {
        StateImage image = new StateImage(qmp, StateFile.create(folder, "devices.qcow2"));
        try {
            image.format();
            image.addToQemu();
            return image;
        } catch (VmckptException e) {
            try {
                image.close();
            } catch (VmckptException unclean) {
                e.addSuppressed(unclean);
            }
            throw e;
        }
    }

    private void format() throws StorageException {
        try {
            Files.write(path, StateImageFormat.blank());
        } catch (IOException e) {
            throw new StorageException("writing " + path + " for the device state: " + e, e);
        }
    }

    private void addToQemu() throws VmckptException {
        ObjectNode file =
                nodeOptions("file", OverlayName.fileNodeOf(node)).put("filename", path.toString());
        try {
            // A write is done when it was submitted; by default each waits for another thread.
            qmp.execute("blockdev-add", file.deepCopy().put("aio", "io_uring"));
        } catch (ProtocolException unavailable) {
            // Not built into this QEMU, or forbidden by a sysctl or its sandbox.
            qmp.execute("blockdev-add", file);
        }
        ObjectNode image = nodeOptions("qcow2", node).put("file", OverlayName.fileNodeOf(node));
        qmp.execute("blockdev-add", image);
    }

    /** What is in it is read at once and then thrown away, so nothing is flushed. */
    private static ObjectNode nodeOptions(String driver, String name) {
        ObjectNode options =
                Json.MAPPER.createObjectNode().put("driver", driver).put("node-name", name);
        options.putObject("cache").put("no-flush", true);
        return options;
    }

    private boolean isEnd(QmpEvent event) {
        return event.is("JOB_STATUS_CHANGE")
                && event.data().path("id").asText().equals(job)
                && ENDS.contains(event.data().path("status").asText());
    }

    /** Makes a guest that stands still write its device state: stages, begins and awaits it. */
    void save(Duration limit) throws VmckptException {
        stage();
        begin();
        awaitEnd(limit);
    }

    /** Lets QEMU read ahead what {@link #begin} then makes it do. */
    public void stage() throws VmckptException {
        ObjectNode arguments =
                Json.MAPPER
                        .createObjectNode()
                        .put("job-id", job)
                        .put("tag", "vmckpt")
                        .put("vmstate", node);
        arguments.putArray("devices").add(node);
        command = qmp.stage("snapshot-save", arguments);
    }

    /** Makes a guest that stands still begin to write its device state; after {@link #stage}. */
    public void begin() throws VmckptException {
        started = true;
        command().send();
    }

    private StagedCommand command() {
        if (command == null) {
            throw new IllegalStateException("used before stage");
        }
        return command;
    }

    /** When this returns the guest may go on. */
    public void awaitEnd(Duration limit) throws VmckptException {
        command().await(limit);
        String status = ended.await(limit).data().path("status").asText();
        if (!status.equals("concluded")) {
            throw new TransportException(
                    "checkpoint: QEMU could not write the guest's device state: " + reason());
        }
    }

    private String reason() throws VmckptException {
        for (JsonNode found : qmp.execute("query-jobs")) {
            if (found.path("id").asText().equals(job) && found.hasNonNull("error")) {
                return found.path("error").asText();
            }
        }
        return "no reason given";
    }

    /**
     * The stream that QEMU wrote.
     *
     * @param limitBytes more than that is refused
     */
    public byte[] read(int limitBytes) throws VmckptException {
        try (ImageFile file = ImageFile.open(path)) {
            return Qcow2VmState.read(file, limitBytes);
        }
    }

    /** Takes the image out of QEMU and deletes it. */
    @Override
    public void close() throws VmckptException {
        ended.close();
        try {
            if (started) {
                BlockJobs.settle(qmp, job, SETTLE_LIMIT);
                started = false;
            }
            BlockNodes.remove(qmp, node);
            BlockNodes.remove(qmp, OverlayName.fileNodeOf(node));
        } finally {
            StateFile.delete(path);
        }
    }
}
