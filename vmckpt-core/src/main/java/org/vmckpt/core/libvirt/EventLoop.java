package org.vmckpt.core.libvirt;

import org.libvirt.Connect;
import org.libvirt.Library;
import org.libvirt.LibvirtException;
import org.libvirt.jna.Libvirt;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** libvirt's event loop, one for the process; no connection made before it has events. */
final class EventLoop {
    private static final Logger LOG = LoggerFactory.getLogger(EventLoop.class);

    /** libvirt would print each error, and all of them come as exceptions; native code keeps it. */
    private static final Libvirt.VirErrorCallback SILENCE = (data, error) -> {};

    /** Guarded by the class. */
    private static boolean started;

    private EventLoop() {}

    static synchronized void start() throws LibvirtException {
        if (!started) {
            Connect.setErrorCallback(SILENCE);
            Library.initEventLoop();
            // It waits in the kernel.
            Thread.ofPlatform().name("libvirt-events").daemon().start(EventLoop::run);
            started = true;
        }
    }

    private static void run() {
        while (true) {
            try {
                Library.processEvent();
            } catch (LibvirtException e) {
                LOG.warn("libvirt's event loop: {}", e.getMessage());
            }
        }
    }
}
