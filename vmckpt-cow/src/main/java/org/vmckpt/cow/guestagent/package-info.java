/**
 * The QEMU guest agent, a program in the guest that does what only the guest can: it holds file
 * systems still and sets the clock. Its <em>socket</em> is QEMU's end of a virtio-serial port.
 */
@NullMarked
package org.vmckpt.cow.guestagent;

import org.jspecify.annotations.NullMarked;
