package org.vmckpt.cow.serving;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/**
 * Leads from beside the NBD socket, which is all that a guest's QEMU knows of a server, to a
 * control socket that is elsewhere.
 */
final class ControlLink implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ControlLink.class);

    private final Path usual;

    private ControlLink(Path usual) {
        this.usual = usual;
    }

    /** Replaces what another server has left there. */
    static ControlLink make(Path socket, Path control) throws VmckptException {
        Path usual = VolumeServer.controlSocketOf(socket).toAbsolutePath().normalize();
        Path target = control.toAbsolutePath().normalize();
        try {
            if (Files.isSymbolicLink(usual)) {
                Files.delete(usual);
            }
            if (!target.equals(usual)) {
                // The socket of a server that was killed.
                Files.deleteIfExists(usual);
                Files.createSymbolicLink(usual, target);
            }
            return new ControlLink(usual);
        } catch (IOException e) {
            throw new StorageException(
                    "serving on " + socket + ": linking " + usual + " to " + target + ": " + e, e);
        }
    }

    @Override
    public void close() {
        try {
            if (Files.isSymbolicLink(usual)) {
                Files.delete(usual);
            }
        } catch (IOException e) {
            LOG.warn("removing {}: {}", usual, e.toString());
        }
    }
}
