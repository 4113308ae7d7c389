package org.vmckpt.cow.memory;

/** What the guest's first write to a protected page means at the time. */
enum Phase {
    /** Between checkpoints, and while protection is armed ahead of one: the page is let go. */
    TRACKING,
    /** In the pause, while the last pages are armed: whoever writes waits for its end. */
    FROZEN,
    /** After the pause: the original is saved first. */
    CAPTURING
}
