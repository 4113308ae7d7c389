/**
 * The nouns that every part of vmckpt shares.
 *
 * <p>A <em>checkpoint</em> is a guest's whole state at one instant: device state, memory image and
 * disk states. A {@link org.vmckpt.core.CheckpointId} names it, a {@link org.vmckpt.core.Manifest}
 * describes it, and the immutable <em>segments</em> that the manifest lists hold its bytes.
 *
 * <p>{@link org.vmckpt.core.VmckptException} is the one family of errors that a user can meet.
 */
@NullMarked
package org.vmckpt.core;

import org.jspecify.annotations.NullMarked;
