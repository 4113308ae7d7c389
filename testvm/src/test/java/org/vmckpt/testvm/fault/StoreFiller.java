package org.vmckpt.testvm.fault;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointService;

/** Takes up all room of a small file system at one point of a checkpoint. */
final class StoreFiller {
    private static final int CHUNK_BYTES = 1 << 20;

    private StoreFiller() {}

    static void checkpoint(WatchedGuest guest, Store store, Path mount, String phase)
            throws VmckptException {
        AtomicBoolean filled = new AtomicBoolean();
        CheckpointService.checkpoint(
                guest.request(store),
                (reached, done, total, unit) -> {
                    if (reached.startsWith(phase) && filled.compareAndSet(false, true)) {
                        fill(mount);
                    }
                });
    }

    private static void fill(Path mount) {
        byte[] chunk = new byte[CHUNK_BYTES];
        try (OutputStream out = Files.newOutputStream(mount.resolve("filler"))) {
            while (true) {
                out.write(chunk);
            }
        } catch (IOException e) {
            // It is full now.
        }
    }

    static void empty(Path mount) throws IOException {
        Files.delete(mount.resolve("filler"));
    }
}
