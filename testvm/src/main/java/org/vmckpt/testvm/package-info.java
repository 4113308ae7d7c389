/**
 * Real guests for tests, benchmarks and playing by hand.
 *
 * <p>The <em>guest image</em> is a kernel and an initramfs that {@code testvm/image/build} makes.
 * Its <em>workload</em> loads memory and disks, judges what it finds there and reports lines of
 * JSON on its <em>console</em>. The <em>nonce</em> of a boot is 16 random bytes that exist only in
 * the guest's memory: it tells a restored guest from a rebooted one. The <em>counter</em> grows by
 * one with every <em>tick</em>, by default four times a second. {@link org.vmckpt.testvm.TestGuest}
 * is one running QEMU with such a guest; {@link org.vmckpt.testvm.GuestConsole} follows a console,
 * also that of a guest which something else has started.
 */
@NullMarked
package org.vmckpt.testvm;

import org.jspecify.annotations.NullMarked;
