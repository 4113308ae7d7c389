package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.PlainFile;
import org.vmckpt.cow.qcow2.NewImage;

/** Makes the file of a new, empty layer. */
final class NewLayer {
    private NewLayer() {}

    /** All of it or nothing; durable but for the name. */
    static void create(Path path, NewImage image) throws VmckptException, IOException {
        boolean made = false;
        try (PlainFile file = PlainFile.create(path)) {
            image.write(file);
            made = true;
        } finally {
            if (!made) {
                Files.deleteIfExists(path);
            }
        }
    }
}
