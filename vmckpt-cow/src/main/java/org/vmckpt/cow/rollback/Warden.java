package org.vmckpt.cow.rollback;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.vmckpt.core.RefusedException;

/** Our end of the pipe to the process that leaves one guest if we die. */
final class Warden implements AutoCloseable {
    private static final int END_SECONDS = 5;

    private final Path journal;
    private final Process process;
    private final OutputStream pipe;

    private Warden(Path journal, Process process) {
        this.journal = journal;
        this.process = process;
        this.pipe = process.getOutputStream();
    }

    /**
     * Starts it, in a session of its own so that no signal to ours reaches it, and waits for it.
     */
    static Warden start(Path journal) throws RefusedException {
        List<String> command =
                List.of(
                        "setsid",
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-XX:-UsePerfData",
                        "-Xmx192m",
                        "-XX:MaxDirectMemorySize=128m",
                        "--enable-native-access=ALL-UNNAMED",
                        "--sun-misc-unsafe-memory-access=allow",
                        "-cp",
                        System.getProperty("java.class.path"),
                        WardenMain.class.getName(),
                        journal.toString());
        String heard;
        try {
            Process process =
                    new ProcessBuilder(command)
                            .redirectError(ProcessBuilder.Redirect.INHERIT)
                            .start();
            heard = String.valueOf(process.inputReader(StandardCharsets.UTF_8).readLine());
            if (heard.equals(WardenMain.READY)) {
                return new Warden(journal, process);
            }
            process.destroyForcibly();
        } catch (IOException e) {
            heard = e.toString();
        }
        throw new RefusedException(
                "rollback: the process that would bring the guest back if this one died did not come up (%s); nothing was changed"
                        .formatted(heard));
    }

    /** Without a journal all is done; else it has work, as after our death. */
    @Override
    public void close() {
        try {
            if (Files.exists(journal)) {
                pipe.close();
                return;
            }
            pipe.write(WardenMain.DONE);
            pipe.close();
            if (!process.waitFor(END_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (IOException e) {
            // It was killed: there is nothing left to tell it.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
