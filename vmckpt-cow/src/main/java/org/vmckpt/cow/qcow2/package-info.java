/**
 * The qcow2 image format, read and written (QEMU's docs/interop/qcow2.txt; docs/qcow2.md says what
 * of it is here, and why a crash harms nothing).
 *
 * <p>A disk is cut into <em>guest clusters</em>, the file into <em>host clusters</em> of the same
 * size. A two-level table leads from one to the other: each <em>L1 entry</em> leads to an <em>L2
 * table</em>, each L2 entry to a host cluster; one that leads nowhere leaves its guest cluster to
 * the <em>backing</em> disk. A second two-level table holds a <em>refcount</em> per host cluster.
 * An entry is <em>in place</em> if its host cluster may be overwritten; writing to any other guest
 * cluster <em>allocates</em>, and copies what the write does not cover. A host cluster that an
 * entry ceases to lead to is <em>dropped</em>, and free for others once that is durable and no
 * request can still use it.
 */
@NullMarked
package org.vmckpt.cow.qcow2;

import org.jspecify.annotations.NullMarked;
