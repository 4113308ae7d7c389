package org.vmckpt.cow.serving;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.linux.ThreadPriority;
import org.vmckpt.cow.volume.VolumeFolder;

/**
 * The program of a {@link DetachedServer}. Arguments: the NBD socket, a file for its process id,
 * the process with which it ends until told otherwise, and the volumes' folders. What it has to say
 * goes to standard error.
 */
public final class ServerMain {
    private static final long NAP_MILLIS = 100;
    private static final long END_SECONDS = 60;
    private static final String COMPILER_THREAD = "C2 CompilerThre";
    private static final int COMPILER_NICENESS = 10;

    private final CountDownLatch ended = new CountDownLatch(1);
    private volatile boolean asked;

    private ServerMain() {}

    public static void main(String[] arguments) {
        Path socket = Path.of(arguments[0]);
        Path pidFile = Path.of(arguments[1]);
        long guest = Long.parseLong(arguments[2]);
        ServerMain main = new ServerMain();
        Runtime.getRuntime().addShutdownHook(new Thread(main::onSignal, "vmckpt-signal"));
        try {
            List<VolumeFolder> volumes = new ArrayList<>();
            for (String folder : Arrays.asList(arguments).subList(3, arguments.length)) {
                volumes.add(VolumeFolder.of(Path.of(folder)));
            }
            main.serve(volumes, socket, pidFile, guest);
        } catch (VmckptException | IOException e) {
            System.err.println("vmckpt: " + e.getMessage());
        } finally {
            main.ended.countDown();
        }
    }

    /**
     * The first thousands of requests share the processors with what compiles the code for them:
     * this puts the latter behind.
     */
    public static void putCompilerBehind() {
        ThreadPriority.trySetNicenessOfThreads(COMPILER_THREAD, COMPILER_NICENESS);
    }

    private void serve(List<VolumeFolder> volumes, Path socket, Path pidFile, long guest)
            throws VmckptException, IOException {
        putCompilerBehind();
        Path control = VolumeServer.controlSocketOf(socket);
        String pid = ProcessHandle.current().pid() + "\n";
        Files.writeString(pidFile, pid, StandardCharsets.US_ASCII);
        try (VolumeServer server = VolumeServer.start(volumes, socket, control, false)) {
            server.endWith(guest);
            while (!asked && !server.isOver()) {
                Thread.sleep(NAP_MILLIS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            Files.deleteIfExists(pidFile);
        }
    }

    /** Keeps the process until the volumes are closed. */
    private void onSignal() {
        asked = true;
        try {
            if (!ended.await(END_SECONDS, TimeUnit.SECONDS)) {
                System.err.println("vmckpt: the volumes could not be closed in time");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
