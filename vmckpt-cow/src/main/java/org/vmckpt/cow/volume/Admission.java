package org.vmckpt.cow.volume;

/** What the ledger says to a new request. */
public enum Admission {
    /** It runs: execute it and call {@link Ledger#end}. */
    RUN,
    /** Rule R5: {@link PendingRequest#resume} or {@link PendingRequest#bounce} will follow. */
    WAIT,
    /** The volume is held: answer it with EIO. It is not in the ledger. */
    REFUSED
}
