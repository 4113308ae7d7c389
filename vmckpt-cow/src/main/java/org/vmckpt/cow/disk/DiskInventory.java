package org.vmckpt.cow.disk;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/** Finds the writable disks of a running guest. */
public final class DiskInventory {
    private static final long SECTOR_BYTES = 512;

    private final BlockGraph graph;
    private final QemuFiles files;
    private final AsyncIo asyncIo;

    private DiskInventory(BlockGraph graph, QemuFiles files, AsyncIo asyncIo) {
        this.graph = graph;
        this.files = files;
        this.asyncIo = asyncIo;
    }

    /**
     * Every writable disk, in QEMU's order; empty drives and read-only ones are left out. Block
     * jobs that an earlier vmckpt left behind are settled first.
     *
     * @param qemuPid the process behind {@code qmp}
     * @throws UnsupportedException if a writable disk is not a qcow2 or raw file
     * @throws RefusedException if somebody's block job works on a disk
     */
    public static List<GuestDisk> discover(QmpClient qmp, long qemuPid) throws VmckptException {
        BlockJobs.settleOurs(qmp);
        DiskInventory inventory =
                new DiskInventory(
                        BlockGraph.query(qmp), QemuFiles.of(qemuPid), AsyncIo.of(qemuPid));
        Map<String, GuestDisk> disks = new LinkedHashMap<>();
        Set<String> names = new HashSet<>();
        for (JsonNode drive : qmp.execute("query-block")) {
            JsonNode inserted = drive.path("inserted");
            String node = inserted.path("node-name").asText();
            // Two devices can share one node: still one disk.
            if (inserted.isObject()
                    && !inserted.path("ro").asBoolean()
                    && !disks.containsKey(node)) {
                disks.put(node, inventory.disk(drive, inserted, node, names));
            }
        }
        return List.copyOf(disks.values());
    }

    private GuestDisk disk(JsonNode drive, JsonNode inserted, String node, Set<String> names)
            throws VmckptException {
        String device = deviceOf(drive);
        refuseJobs(device, node);
        if (inserted.path("encrypted").asBoolean()) {
            throw unsupported(device, "it is encrypted");
        }
        if (graph.driver(node).equals("nbd")) {
            return volume(device, inserted, node, names);
        }
        List<DiskLayer> layers = chain(device, node);
        CacheMode cache = cacheOf(inserted.path("cache"));
        GuestDisk disk =
                new GuestDisk(
                        uniqueName(device, node, names),
                        device,
                        layers,
                        cache,
                        Optional.empty(),
                        inserted.path("detect_zeroes").asText("off"),
                        Optional.empty());
        return disk.withAsyncIo(asyncIo.of(device, disk.origin(), cache));
    }

    private GuestDisk volume(String device, JsonNode inserted, String node, Set<String> names)
            throws VmckptException {
        String filename = graph.details(node).path("file").asText();
        VolumeExport export =
                VolumeExport.parse(filename, files)
                        .filter(it -> Files.exists(it.controlSocket()))
                        .orElseThrow(() ->
                                unsupported(
                                        device,
                                        "block node "
                                                + node
                                                + " uses the driver nbd over "
                                                + filename
                                                + ", and no vmckpt volume serve has a control"
                                                + " socket beside that"));
        return new GuestDisk(
                uniqueName(device, node, names),
                device,
                VolumeLayers.query(export, node),
                cacheOf(inserted.path("cache")),
                Optional.empty(),
                inserted.path("detect_zeroes").asText("off"),
                Optional.of(export));
    }

    private static CacheMode cacheOf(JsonNode cache) {
        return new CacheMode(cache.path("direct").asBoolean(), cache.path("no-flush").asBoolean());
    }

    private List<DiskLayer> chain(String device, String root) throws VmckptException {
        List<DiskLayer> topFirst = new ArrayList<>();
        Optional<String> node = Optional.of(root);
        while (node.isPresent()) {
            topFirst.add(layer(device, node.get()));
            node = graph.child(node.get(), "backing");
        }
        return topFirst.reversed();
    }

    private DiskLayer layer(String device, String node) throws VmckptException {
        String driver = graph.driver(node);
        return switch (driver) {
            case "file" -> layerOver(device, node, node, "raw");
            case "qcow2", "raw" -> layerOver(device, node, fileNode(device, node, driver), driver);
            default ->
                    throw unsupported(device, "block node " + node + " uses the driver " + driver);
        };
    }

    private String fileNode(String device, String node, String driver) throws VmckptException {
        String file =
                graph.child(node, "file")
                        .orElseThrow(() ->
                                new ProtocolException(
                                        "x-debug-query-block-graph: expected a file below"
                                                + " block node "
                                                + node
                                                + ", found none"));
        if (!graph.driver(file).equals("file")) {
            throw unsupported(
                    device, driver + " node " + node + " lies over " + graph.driver(file));
        }
        return file;
    }

    private DiskLayer layerOver(String device, String node, String file, String format)
            throws VmckptException {
        String filename = graph.details(file).path("file").asText();
        if (filename.startsWith("json:") || filename.startsWith("/dev/fdset/")) {
            throw unsupported(device, "QEMU was not given a file name: " + filename);
        }
        long size = virtualSize(node);
        // raw can be told to show only a part of its file
        if (format.equals("raw") && roundUp(size) != roundUp(virtualSize(file))) {
            throw unsupported(device, "raw node " + node + " shows only a part of " + filename);
        }
        Path path = files.absolute(filename);
        Path hostPath = files.host(path);
        if (!Files.isRegularFile(hostPath)) {
            throw unsupported(device, "there is no file " + hostPath + " (snapshot=on?)");
        }
        if (!files.isSeenByQemu(path)) {
            throw unsupported(
                    device,
                    "QEMU has a mount namespace of its own, where "
                            + path
                            + " is another file than here; run vmckpt in that namespace");
        }
        return new DiskLayer(node, file, format, path, hostPath, size);
    }

    private long virtualSize(String node) throws ProtocolException {
        return graph.details(node).path("image").path("virtual-size").asLong();
    }

    private void refuseJobs(String device, String root) throws RefusedException {
        Set<String> nodes = new HashSet<>();
        List<String> open = new ArrayList<>(List.of(root));
        while (!open.isEmpty()) {
            String node = open.removeLast();
            if (nodes.add(node)) {
                graph.child(node, "file").ifPresent(open::add);
                graph.child(node, "backing").ifPresent(open::add);
            }
        }
        Set<String> jobs = graph.jobsOn(nodes);
        if (!jobs.isEmpty()) {
            throw new RefusedException(
                    "looking at disk "
                            + device
                            + ": expected no block job, found "
                            + String.join(", ", jobs)
                            + "; wait for it or cancel it, then try again");
        }
    }

    private static String deviceOf(JsonNode drive) {
        String device = drive.path("device").asText();
        return device.isEmpty() ? drive.path("qdev").asText() : device;
    }

    /** {@code /machine/peripheral/vd1/virtio-backend} is called {@code vd1}. */
    private static String uniqueName(String device, String node, Set<String> names) {
        String base = device;
        if (device.startsWith("/machine/peripheral/")) {
            base = device.split("/", 5)[3];
        } else if (device.startsWith("/")) {
            base = node.startsWith("#") ? "disk" : node;
        }
        base = base.replaceAll("[^A-Za-z0-9_.-]", "_").replaceAll("^[.-]", "_");
        String name = base;
        for (int i = 1; !names.add(name); i++) {
            name = base + "-" + i;
        }
        return name;
    }

    private static long roundUp(long bytes) {
        return Math.ceilDiv(bytes, SECTOR_BYTES) * SECTOR_BYTES;
    }

    private static UnsupportedException unsupported(String device, String reason) {
        return new UnsupportedException(
                "looking at disk "
                        + device
                        + ": expected a writable qcow2 or raw file, but "
                        + reason
                        + "; make the disk read-only, detach it, or give it as such a file");
    }
}
