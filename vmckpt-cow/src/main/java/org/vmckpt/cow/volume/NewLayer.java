package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.PlainFile;
import org.vmckpt.cow.qcow2.NewImage;

/** Makes the file of a new, empty layer; all of it or nothing. */
final class NewLayer {
    private NewLayer() {}

    private interface Content {
        void write(PlainFile file) throws IOException;
    }

    /** Durable but for the name. */
    static void create(Path path, NewImage image) throws VmckptException, IOException {
        create(path, image::write);
    }

    /** The same in less time, for one that nothing names yet. */
    static void createAtOnce(Path path, NewImage image) throws VmckptException, IOException {
        create(path, image::writeAtOnce);
    }

    private static void create(Path path, Content content) throws VmckptException, IOException {
        boolean made = false;
        try (PlainFile file = PlainFile.create(path)) {
            content.write(file);
            made = true;
        } finally {
            if (!made) {
                Files.deleteIfExists(path);
            }
        }
    }
}
