package org.vmckpt.core.store;

/** Words for damaged segments: which segment, which part of it, what was found, what to do. */
final class SegmentDamage {
    private SegmentDamage() {}

    static String message(String segment, String part, String found) {
        return "read "
                + segment
                + ", "
                + part
                + ": "
                + found
                + "; the file was changed or cut after it was written. Do not use it: import the"
                + " checkpoint again from a good copy, or remove the checkpoints that use it"
                + " ('vmckpt verify' names them)";
    }

    static String block(int number) {
        return "block " + number;
    }
}
