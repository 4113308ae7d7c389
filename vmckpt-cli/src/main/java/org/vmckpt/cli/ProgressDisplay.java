package org.vmckpt.cli;

import org.vmckpt.core.HumanSize;
import org.vmckpt.core.ProgressListener;

/** Shows progress to people until closed. */
interface ProgressDisplay extends ProgressListener, AutoCloseable {
    @Override
    void close();

    /** Shows nothing. */
    static ProgressDisplay none() {
        return new ProgressDisplay() {
            @Override
            public void update(String phase, long done, long total, String unit) {}

            @Override
            public void close() {}
        };
    }

    /** An amount for people: sizes for bytes, plain numbers else. */
    static String amount(long value, String unit) {
        return isBytes(unit) ? HumanSize.format(value) : (value + " " + unit).strip();
    }

    static boolean isBytes(String unit) {
        return unit.equals("bytes") || unit.equals("B");
    }
}
