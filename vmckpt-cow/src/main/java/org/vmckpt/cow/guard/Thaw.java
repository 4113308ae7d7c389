package org.vmckpt.cow.guard;

import java.io.IOException;
import java.net.ConnectException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/** Lets a guest's file systems go on, whoever holds them. Of the JDK alone, for the guard. */
public final class Thaw {
    private static final Duration ANSWER_LIMIT = Duration.ofSeconds(5);
    private static final long RETRY_NANOS = 20_000_000L;
    private static final String THAW = "{\"execute\": \"guest-fsfreeze-thaw\"}";
    private static final String RETURN = "\"return\"";

    private Thaw() {}

    /** Once, over a connection that there is; false when the agent says no. */
    public static boolean attempt(AgentChannel agent) throws IOException {
        return agent.call(THAW, ANSWER_LIMIT).contains(RETURN);
    }

    /**
     * Tries until the agent has said that nothing is frozen, or there is no guest any more.
     *
     * @return false when it has not said so in this time
     */
    public static boolean insist(Path socket, Duration patience) {
        long start = System.nanoTime();
        do {
            try (AgentChannel agent = AgentChannel.connect(socket, ANSWER_LIMIT)) {
                if (attempt(agent)) {
                    return true;
                }
            } catch (ConnectException e) {
                return true; // Nobody listens: QEMU has ended.
            } catch (IOException e) {
                // Somebody else is connected, or the guest does not run.
                if (!Files.exists(socket)) {
                    return true;
                }
            }
            LockSupport.parkNanos(RETRY_NANOS);
        } while (System.nanoTime() - start < patience.toNanos()
                && !Thread.currentThread().isInterrupted());
        return false;
    }
}
