/**
 * Puts a running guest back to a checkpoint: a new QEMU, restored, takes the place of the one that
 * runs.
 *
 * <p>The <em>old guest</em> is stopped, and what it has on the host <em>moved aside</em>: its
 * sockets and files get other names, under which it keeps them. Then the <em>new guest</em> is
 * restored under the old names. Once that runs the old one is ended. So whatever fails before, the
 * old guest gets its names back and goes on. Where two guests cannot be at a time (a TAP device, a
 * TCP port, memory), the old one is ended first, and brought back by restoring the checkpoint that
 * was taken of it just before.
 *
 * <p>The <em>journal</em>, a file, says at each instant what is to be done if we die. A second
 * process, the <em>warden</em>, does that then. These are the journal's phases:
 *
 * <pre>
 *               what was moved aside, and what the new guest makes, is noted first
 *   STANDING   ── old guest stopped, its things moved ──▶ the old guest goes on
 *   ENDED      ── the old guest had to end first ───────▶ its own checkpoint is restored
 *   REPLACED   ── the new guest runs ───────────────────▶ the old guest is ended
 * </pre>
 *
 * <p>A domain of libvirt is replaced by {@link org.vmckpt.cow.rollback.DomainRollback}: libvirt has
 * one guest of a name, so the old one is ended first. Its journal has one phase.
 */
@NullMarked
package org.vmckpt.cow.rollback;

import org.jspecify.annotations.NullMarked;
