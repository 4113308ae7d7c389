package org.vmckpt.cow.doctor;

import org.vmckpt.core.VmckptException;

/** Looks at one thing. */
interface Check {
    /** What it looks at, in a word or two. */
    String what();

    /**
     * Returns what was found, also when that is bad.
     *
     * @throws VmckptException when it could not be looked at
     */
    Finding run() throws VmckptException;
}
