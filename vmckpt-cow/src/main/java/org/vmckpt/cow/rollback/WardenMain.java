package org.vmckpt.cow.rollback;

import java.io.IOException;
import java.nio.file.Path;
import org.vmckpt.core.VmckptException;

/**
 * The warden's program. Its argument is the journal's file. When standard input ends without a word
 * it does what is written there.
 */
final class WardenMain {
    static final String READY = "ready";
    static final int DONE = 'Q';

    private WardenMain() {}

    public static void main(String[] arguments) throws IOException {
        System.out.println(READY);
        System.out.flush();
        if (System.in.read() == DONE) {
            return;
        }
        try {
            Recovery.run(Path.of(arguments[0]))
                    .ifPresent(outcome -> say("the rollback was killed: " + outcome));
        } catch (VmckptException e) {
            say("the rollback was killed: " + e.getMessage());
        }
    }

    private static void say(String text) {
        System.err.println("vmckpt: " + text);
    }
}
