/**
 * A guest's disks: found, forked, copied into the store, and kept in short chains.
 *
 * <p>A <em>disk</em> is a writable drive of the guest. It is a chain of <em>files</em>: the
 * <em>active</em> one takes the guest's writes, each file's <em>parent</em> (QEMU: backing file)
 * says what the file itself does not. A <em>fork</em> puts an empty <em>overlay</em> on top of the
 * active file of every disk in one QEMU transaction; the files below are <em>frozen</em> from then
 * on. A frozen file is read as <em>extents</em> of absent, zero or data bytes, copied into the
 * store as <em>units</em> of 64 KiB, and, if it is an older overlay of ours, <em>folded</em> (QEMU:
 * committed) into its parent afterwards.
 *
 * <p>Paths are as QEMU sees them, unless they are called host paths: those are the same files as
 * this process reaches them.
 */
@NullMarked
package org.vmckpt.cow.disk;

import org.jspecify.annotations.NullMarked;
