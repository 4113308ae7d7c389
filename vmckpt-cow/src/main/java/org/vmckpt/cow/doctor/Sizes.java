package org.vmckpt.cow.doctor;

import java.util.Locale;

/** Sizes in words. */
final class Sizes {
    private static final long MIB = 1L << 20;
    private static final long GIB = 1L << 30;

    private Sizes() {}

    static String format(long bytes) {
        return bytes < GIB
                ? bytes / MIB + " MiB"
                : String.format(Locale.ROOT, "%.1f GiB", bytes / (double) GIB);
    }
}
