/**
 * What can go wrong, made to go wrong: real guests, and a real kill, full disk or slow disk.
 *
 * <p>After each <em>fault</em> the guest must run on without an error, nothing half-made may be
 * visible, and the next run must find or make everything clean.
 */
@NullMarked
package org.vmckpt.testvm.fault;

import org.jspecify.annotations.NullMarked;
