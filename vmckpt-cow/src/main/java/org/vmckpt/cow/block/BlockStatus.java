package org.vmckpt.cow.block;

/** What a disk knows about a run of its bytes without reading them. */
public enum BlockStatus {
    /** Bytes that have to be read; they may be zeros. */
    DATA,
    /** Zeros that somebody put there. */
    ZERO,
    /** Zeros because nothing in the whole chain holds anything. */
    HOLE
}
