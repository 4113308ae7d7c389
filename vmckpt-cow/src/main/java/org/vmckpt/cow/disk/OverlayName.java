package org.vmckpt.cow.disk;

import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.vmckpt.core.CheckpointId;

/**
 * How our overlays and their block nodes are called.
 *
 * <p>An overlay of {@code disk.qcow2} is {@code disk.qcow2.vmckpt-<16 hex digits>.qcow2}, in the
 * same folder; an overlay of that one is called after {@code disk.qcow2} too, which is its
 * <em>root</em>.
 */
final class OverlayName {
    private static final String NODE_PREFIX = "vmckpt-";
    private static final String FILE_NODE_SUFFIX = "-file";
    private static final Pattern FILE = Pattern.compile("(.+)\\.vmckpt-[0-9a-f]{16}\\.qcow2");
    private static final int NODE_DIGITS = 6;
    // With 16 digits they were named before, and guests run that have such.
    private static final Pattern NODE =
            Pattern.compile("vmckpt-([0-9a-f]{6}|[0-9a-f]{16})-(\\d+|s)(-file)?");

    private static final Pattern LIBVIRT_NODE = Pattern.compile("libvirt-\\d+-format");

    private OverlayName() {}

    static Path fileFor(Path active, CheckpointId checkpoint) {
        return active.resolveSibling(
                rootOf(active) + ".vmckpt-" + checkpoint.shortForm() + ".qcow2");
    }

    /** Short: QEMU reads it byte by byte while the guest stands still. It refuses a name twice. */
    static String nodeFor(CheckpointId checkpoint, int disk) {
        return NODE_PREFIX + checkpoint.shortForm().substring(0, NODE_DIGITS) + "-" + disk;
    }

    /** A new name for the node of an image that takes device state; QEMU allows 31 characters. */
    static String newStateNode() {
        return NODE_PREFIX + "%016x-s".formatted(new SecureRandom().nextLong());
    }

    static String fileNodeOf(String node) {
        return node + FILE_NODE_SUFFIX;
    }

    static boolean isFile(Path path) {
        return FILE.matcher(fileName(path)).matches();
    }

    static boolean isNode(String nodeName) {
        return NODE.matcher(nodeName).matches();
    }

    static boolean isLibvirtNode(String nodeName) {
        return LIBVIRT_NODE.matcher(nodeName).matches();
    }

    /** The internal snapshot that a checkpoint takes of a disk whose file stays the active one. */
    static String snapshotFor(CheckpointId checkpoint) {
        return NODE_PREFIX + checkpoint.shortForm();
    }

    static boolean isFileNode(String nodeName) {
        return isNode(nodeName) && nodeName.endsWith(FILE_NODE_SUFFIX);
    }

    /** The file name that {@code path} and all overlays of it share. */
    static String rootOf(Path path) {
        Matcher matcher = FILE.matcher(fileName(path));
        return matcher.matches() ? matcher.group(1) : fileName(path);
    }

    /** Whether {@code overlay} can have been made as an overlay of {@code parent}. */
    static boolean isOverlayOf(Path overlay, Path parent) {
        return isFile(overlay)
                && rootOf(overlay).equals(rootOf(parent))
                && overlay.resolveSibling("").equals(parent.resolveSibling(""));
    }

    private static String fileName(Path path) {
        Path name = path.getFileName();
        return name == null ? "" : name.toString();
    }
}
