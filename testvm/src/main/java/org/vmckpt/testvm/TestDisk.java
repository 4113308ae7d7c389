package org.vmckpt.testvm;

/**
 * An empty disk that is made for a guest.
 *
 * @param attachment how QEMU is told of it
 * @param bus how the guest sees it
 */
public record TestDisk(long sizeBytes, Format format, Attachment attachment, Bus bus) {
    public enum Format {
        RAW("raw"),
        QCOW2("qcow2");

        private final String qemuName;

        Format(String qemuName) {
            this.qemuName = qemuName;
        }

        public String qemuName() {
            return qemuName;
        }
    }

    public enum Attachment {
        /** One {@code -drive if=none}: QEMU names its block nodes itself. */
        DRIVE,
        /** Two {@code -blockdev} with node names, as libvirt gives them. */
        BLOCKDEV
    }

    public enum Bus {
        VIRTIO_BLK,
        /** A SCSI disk on a virtio controller of its own. */
        VIRTIO_SCSI
    }

    public TestDisk {
        if (sizeBytes <= 0 || sizeBytes % 4096 != 0) {
            throw new IllegalArgumentException("not a multiple of 4096 bytes: " + sizeBytes);
        }
    }

    public static TestDisk raw(long sizeBytes) {
        return new TestDisk(sizeBytes, Format.RAW, Attachment.DRIVE, Bus.VIRTIO_BLK);
    }

    public static TestDisk qcow2(long sizeBytes) {
        return new TestDisk(sizeBytes, Format.QCOW2, Attachment.DRIVE, Bus.VIRTIO_BLK);
    }

    public TestDisk asBlockdev() {
        return new TestDisk(sizeBytes, format, Attachment.BLOCKDEV, bus);
    }

    public TestDisk onScsi() {
        return new TestDisk(sizeBytes, format, attachment, Bus.VIRTIO_SCSI);
    }
}
