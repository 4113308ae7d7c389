package org.vmckpt.core.store;

import com.fasterxml.jackson.databind.JsonNode;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

/** The version that each JSON file of a store states. */
final class FormatVersion {
    private FormatVersion() {}

    /** {@code what} is the start of the message, up to the version found. */
    static void check(JsonNode found, int known, String what) throws VmckptException {
        if (!found.isIntegralNumber() || !found.canConvertToLong() || found.asLong() < 1) {
            throw new CorruptException(what + " " + found + ", a positive number was expected");
        }
        if (found.asLong() > known) {
            throw new UnsupportedException(
                    what + " " + found + ", this vmckpt knows " + known + "; use a newer vmckpt");
        }
    }
}
