package org.vmckpt.cow.qcow2;

import java.io.IOException;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/** An image holds what no sound image holds. Its cause is the error that a user is shown. */
public final class DamagedImageException extends IOException {
    private static final long serialVersionUID = 1L;

    DamagedImageException(String image, String expected, Object found) {
        this(
                new CorruptException(
                        "reading qcow2 file "
                                + image
                                + ": expected "
                                + expected
                                + ", found "
                                + found
                                + "; run qemu-img check on it"));
    }

    private DamagedImageException(CorruptException error) {
        super(error.getMessage(), error);
    }

    /** The error of the project's family that a failed operation on an image stands for. */
    public static VmckptException explain(String operation, String image, IOException e) {
        return e.getCause() instanceof VmckptException known
                ? known
                : new StorageException(operation + " " + image + ": " + e.getMessage(), e);
    }

    static void expect(boolean condition, String image, String expected, Object found)
            throws DamagedImageException {
        if (!condition) {
            throw new DamagedImageException(image, expected, found);
        }
    }
}
