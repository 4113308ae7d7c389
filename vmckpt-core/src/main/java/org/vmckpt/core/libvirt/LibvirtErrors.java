package org.vmckpt.core.libvirt;

import org.jspecify.annotations.Nullable;
import org.libvirt.Error.ErrorNumber;
import org.libvirt.LibvirtException;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

/** What libvirt's errors mean here. */
final class LibvirtErrors {
    private LibvirtErrors() {}

    /** Null when libvirt says none. */
    static @Nullable ErrorNumber code(LibvirtException e) {
        return e.getError() == null ? null : e.getError().getCode();
    }

    /**
     * One of ours.
     *
     * @param operation what was done to what: {@code "looking for domain vm1"}
     */
    static VmckptException of(String operation, LibvirtException e) {
        String text = operation + ": libvirt says: " + e.getMessage();
        ErrorNumber code = code(e);
        if (code == null) {
            return new TransportException(text, e);
        }
        return switch (code) {
            case VIR_ERR_NO_DOMAIN ->
                    new NotFoundException(text + "; virsh list --all shows the names", e);
            // A job of somebody else: a snapshot, a migration, a save.
            case VIR_ERR_OPERATION_TIMEOUT ->
                    new ConflictException(
                            text + "; wait until that job has ended (virsh domjobinfo)", e);
            case VIR_ERR_OPERATION_INVALID -> new RefusedException(text, e);
            case VIR_ERR_OPERATION_UNSUPPORTED, VIR_ERR_CONFIG_UNSUPPORTED, VIR_ERR_NO_SUPPORT ->
                    new UnsupportedException(text, e);
            default -> new TransportException(text, e);
        };
    }
}
