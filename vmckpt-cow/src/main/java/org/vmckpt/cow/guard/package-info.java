/**
 * The guard: a small process that outlives a killed checkpoint and lets the guest run on.
 *
 * <p>Between {@code stop} and {@code cont} only our process knows that the guest has to go on. If
 * it dies there, the <em>guard</em> sees its pipe close, connects to the guest's QMP socket, which
 * is free again, and sends {@code cont}.
 */
@NullMarked
package org.vmckpt.cow.guard;

import org.jspecify.annotations.NullMarked;
