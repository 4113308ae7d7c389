package org.vmckpt.cow.serving;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.volume.OpenVolume;
import org.vmckpt.cow.volume.Throttle;

/** What is done while nobody waits for it. */
final class Background {
    private static final Logger LOG = LoggerFactory.getLogger(Background.class);

    private Background() {}

    static void prepare(OpenVolume volume) {
        // The next fork tries again and tells who asked for it.
        start("volume-prepare", volume::prepare);
    }

    /** At the start of a server, which must also start on a full disk. */
    static void prepareNow(OpenVolume volume) {
        attempt(volume::prepare);
    }

    /** Ended by the next fork for a checkpoint, or by the volume's end. */
    static void commit(OpenVolume volume, long bytesPerSecond) {
        start("volume-commit", () -> volume.commit(new Throttle(bytesPerSecond)));
    }

    private interface Task {
        void run() throws VmckptException;
    }

    private static void start(String name, Task task) {
        Thread.ofPlatform()
                .daemon()
                .name(name)
                .start(() -> {
                    Commands.workAsUsual();
                    attempt(task);
                });
    }

    private static void attempt(Task task) {
        try {
            task.run();
        } catch (VmckptException e) {
            LOG.warn("{}", e.getMessage());
        }
    }
}
