package org.vmckpt.cow.checkpoint;

/**
 * Is told how far a pause has come, while the guest stands still. For hooks, and for tests of what
 * happens when somebody dies just there.
 */
interface PauseProbe {
    PauseProbe NONE = moment -> {};

    /** In this order. ARMED is told last, when all that the guest waits for is done. */
    enum Moment {
        STOPPED,
        FORKED,
        DEVICES_SAVED,
        ARMED,
        RESUMED
    }

    void reached(Moment moment);
}
