/**
 * Guests that belong to libvirt.
 *
 * <p>A <em>host</em> is a connection to one libvirtd. A <em>domain</em> is libvirt's word for a
 * guest. libvirtd holds the only monitor of a domain's QEMU; a {@link
 * org.vmckpt.core.libvirt.MonitorBridge} makes it look like a QMP socket of its own.
 *
 * @see <a href="https://libvirt.org/html/index.html">libvirt's API</a>
 */
@NullMarked
package org.vmckpt.core.libvirt;

import org.jspecify.annotations.NullMarked;
