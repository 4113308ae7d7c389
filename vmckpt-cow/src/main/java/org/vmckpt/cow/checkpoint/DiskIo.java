package org.vmckpt.cow.checkpoint;

/** What becomes of disk requests that are pending when the guest is paused. */
public enum DiskIo {
    /** The pause waits for them. */
    DRAIN,
    /** They become a part of the device state, and are issued again: see {@code Reissue}. */
    REISSUE
}
