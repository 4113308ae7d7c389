/**
 * Copy-on-write of a running guest: {@code linux} holds every kernel call, {@code memory} and
 * {@code disk} capture what their names say, {@code checkpoint} and {@code restore} put them
 * together.
 */
@NullMarked
package org.vmckpt.cow;

import org.jspecify.annotations.NullMarked;
