package org.vmckpt.core.libvirt;

import com.sun.jna.Callback;
import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import org.jspecify.annotations.Nullable;
import org.libvirt.jna.ConnectionPointer;

/** Of libvirt-qemu.so what libvirt-java does not have: events of a QEMU as they come. */
interface MonitorEvents extends Library {
    MonitorEvents INSTANCE = Native.load("virt-qemu", MonitorEvents.class);

    /** Called on the thread of libvirt's event loop. */
    interface Listener extends Callback {
        void happened(
                Pointer connection,
                Pointer domain,
                String event,
                long seconds,
                int micros,
                @Nullable String details,
                @Nullable Pointer opaque);
    }

    /** Returns a number for {@link #virConnectDomainQemuMonitorEventDeregister}, or -1. */
    int virConnectDomainQemuMonitorEventRegister(
            ConnectionPointer connection,
            @Nullable Pointer domain,
            @Nullable String event,
            Listener listener,
            @Nullable Pointer opaque,
            @Nullable Callback free,
            int flags);

    int virConnectDomainQemuMonitorEventDeregister(ConnectionPointer connection, int callback);
}
