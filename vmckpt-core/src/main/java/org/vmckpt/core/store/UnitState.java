package org.vmckpt.core.store;

/** What a segment, or a stack of layers, says about one unit. */
public enum UnitState {
    /** Nothing: ask the layer below; at the bottom it reads as zeros. */
    ABSENT,
    /** Every byte is zero; nothing is stored. */
    ZERO,
    /** Stored in a block. */
    DATA
}
