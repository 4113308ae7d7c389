package org.vmckpt.core.libvirt;

import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.Pointer;

/** Of libvirt.so what libvirt-java does not offer for a bare pointer. */
interface DomainIdentity extends Library {
    DomainIdentity INSTANCE = Native.load("virt", DomainIdentity.class);

    /** Fills 16 bytes; returns -1 when the pointer is none of a domain. */
    int virDomainGetUUID(Pointer domain, byte[] uuid);
}
