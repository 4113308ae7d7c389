package org.vmckpt.cli;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import org.slf4j.LoggerFactory;

/** How much is logged. {@code logback.xml} says where: to standard error. */
final class Logging {
    private Logging() {}

    static void configure(boolean debugging) {
        if (debugging && LoggerFactory.getLogger("org.vmckpt") instanceof Logger ours) {
            ours.setLevel(Level.DEBUG);
        }
    }
}
