package org.vmckpt.cow.rollback;

/** Is told where a rollback is; tests halt it there. */
interface RollbackProbe {
    RollbackProbe NONE = _ -> {};

    /** In this order. */
    enum Moment {
        /** The old guest has been stopped, or ended. */
        STOPPED,
        /** Its names are free for the new one. */
        MOVED,
        /** The new guest runs. */
        RUNS,
        /** It is settled that the new guest stays. */
        SETTLED
    }

    void reached(Moment moment);
}
