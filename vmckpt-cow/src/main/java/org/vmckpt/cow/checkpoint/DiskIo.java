package org.vmckpt.cow.checkpoint;

/** What becomes of disk requests that are pending when the guest is paused. */
public enum DiskIo {
    /** {@link #REISSUE} for the volumes that allow it, {@link #DRAIN} for all other disks. */
    AUTO,
    /** The pause waits for them. */
    DRAIN,
    /**
     * Those of volumes become a part of the device state, and are issued again: {@code Reissue}.
     */
    REISSUE
}
