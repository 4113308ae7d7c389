package org.vmckpt.cow.doctor;

/** How bad a finding is. */
public enum Verdict {
    OK,

    /** No engine is lost by it, but it is good to know. */
    NOTE,

    /** At least one engine cannot be used. */
    PROBLEM,

    /** Could not be looked at. */
    UNKNOWN
}
