package org.vmckpt.cow.nbd;

/**
 * What client and server agreed on.
 *
 * @param structuredReplies whether reads are answered with structured chunks
 * @param blockStatus whether the client selected base:allocation for this export
 */
record Session(Export export, boolean structuredReplies, boolean blockStatus) {
    /** The id of the one context that we have. */
    static final int CONTEXT_ID = 1;
}
