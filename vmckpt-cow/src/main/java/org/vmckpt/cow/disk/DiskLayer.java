package org.vmckpt.cow.disk;

import java.nio.file.Path;
import java.util.Optional;
import org.vmckpt.core.store.FileIdentity;

/**
 * One file of a disk's chain.
 *
 * @param nodeName QEMU's block node for the image, perhaps generated: {@code #block123}
 * @param fileNodeName the node below it for the file itself; equal to {@code nodeName} when a raw
 *     file is used without a format driver
 * @param format {@code qcow2} or {@code raw}
 * @param path absolute, as QEMU sees it
 * @param hostPath the same file as this process sees it
 * @param virtualSizeBytes what the guest would see as its disk's size
 * @param content of this layer with all below it, when somebody vouches for that: its files may
 *     change nevertheless
 * @param snapshot the internal snapshot that is meant, not what the file says now
 */
public record DiskLayer(
        String nodeName,
        String fileNodeName,
        String format,
        Path path,
        Path hostPath,
        long virtualSizeBytes,
        Optional<FileIdentity> content,
        Optional<String> snapshot) {

    DiskLayer(
            String nodeName,
            String fileNodeName,
            String format,
            Path path,
            Path hostPath,
            long virtualSizeBytes) {
        this(
                nodeName,
                fileNodeName,
                format,
                path,
                hostPath,
                virtualSizeBytes,
                Optional.empty(),
                Optional.empty());
    }

    DiskLayer atSnapshot(String name) {
        return new DiskLayer(
                nodeName,
                fileNodeName,
                format,
                path,
                hostPath,
                virtualSizeBytes,
                content,
                Optional.of(name));
    }

    /**
     * Whether this is an overlay that vmckpt put there while this QEMU ran; of libvirt, which is
     * told of overlays and keeps them, also while an earlier one ran.
     */
    public boolean isOurOverlay() {
        return OverlayName.isFile(path)
                && (OverlayName.isNode(nodeName) || OverlayName.isLibvirtNode(nodeName));
    }
}
