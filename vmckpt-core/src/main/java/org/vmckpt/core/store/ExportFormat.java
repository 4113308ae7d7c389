package org.vmckpt.core.store;

import java.nio.charset.StandardCharsets;

/** Names and limits of the export stream; {@code docs/format.md} is the reference. */
final class ExportFormat {
    static final String FORMAT = "vmckpt-export";
    static final int VERSION = 1;
    static final String MARKER = "vmckpt-export.json";
    static final String CHECKPOINTS = "checkpoints/";
    static final String SEGMENTS = "segments/";
    static final int MAX_MARKER_BYTES = 4096;

    private ExportFormat() {}

    static byte[] marker() {
        return ("{\"format\":\"" + FORMAT + "\",\"version\":" + VERSION + "}\n")
                .getBytes(StandardCharsets.UTF_8);
    }
}
