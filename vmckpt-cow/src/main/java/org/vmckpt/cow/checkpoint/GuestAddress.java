package org.vmckpt.cow.checkpoint;

import java.nio.file.Path;

/** Where a running guest is reached. */
public sealed interface GuestAddress {

    /** A QMP socket that QEMU itself opened, and that nobody else is connected to. */
    record Qmp(Path socket) implements GuestAddress {
        @Override
        public String toString() {
            return "qmp:" + socket;
        }
    }

    /**
     * A domain of libvirt.
     *
     * @param uri of libvirt on this host
     * @param domain its name or UUID
     */
    record Libvirt(String uri, String domain) implements GuestAddress {
        @Override
        public String toString() {
            return "libvirt:" + domain;
        }
    }

    static GuestAddress of(Path qmpSocket) {
        return new Qmp(qmpSocket);
    }
}
