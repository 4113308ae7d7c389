package org.vmckpt.cow.rollback;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.VmckptException;

/**
 * The warden's program. Its argument is the journal's file. When standard input ends without a word
 * it does what is written there.
 */
final class WardenMain {
    static final String READY = "ready";
    static final int DONE = 'Q';
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final long NAP_NANOS = 20_000_000L;

    private WardenMain() {}

    public static void main(String[] arguments) throws IOException {
        System.out.println(READY);
        System.out.flush();
        if (System.in.read() == DONE) {
            return;
        }
        try {
            recover(Path.of(arguments[0]))
                    .ifPresent(outcome -> say("the rollback was killed: " + outcome));
        } catch (VmckptException e) {
            say("the rollback was killed: " + e.getMessage());
        }
    }

    /** Waits for who else does the same, or for the command that is just ending. */
    private static Optional<String> recover(Path journal) throws VmckptException {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            try {
                return DomainJournal.isOne(journal)
                        ? DomainRecovery.runAlone(journal)
                        : Recovery.runAlone(journal);
            } catch (ConflictException e) {
                if (System.nanoTime() > deadline) {
                    throw e;
                }
                LockSupport.parkNanos(NAP_NANOS);
            }
        }
    }

    private static void say(String text) {
        System.err.println("vmckpt: " + text);
    }
}
