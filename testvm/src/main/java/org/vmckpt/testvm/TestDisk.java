package org.vmckpt.testvm;

/**
 * An empty disk that is made for a guest.
 *
 * @param attachment how QEMU is told of it
 */
public record TestDisk(long sizeBytes, Format format, Attachment attachment) {
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

    public TestDisk {
        if (sizeBytes <= 0 || sizeBytes % 4096 != 0) {
            throw new IllegalArgumentException("not a multiple of 4096 bytes: " + sizeBytes);
        }
    }

    public static TestDisk raw(long sizeBytes) {
        return new TestDisk(sizeBytes, Format.RAW, Attachment.DRIVE);
    }

    public static TestDisk qcow2(long sizeBytes) {
        return new TestDisk(sizeBytes, Format.QCOW2, Attachment.DRIVE);
    }

    public TestDisk asBlockdev() {
        return new TestDisk(sizeBytes, format, Attachment.BLOCKDEV);
    }
}
