/**
 * QEMU's migration stream, as far as a checkpoint needs it.
 *
 * <p>A <em>device stream</em> is what QEMU writes with the {@code x-ignore-shared} capability: a
 * header, a <em>section</em> for RAM that holds only the small blocks that are not shared, one
 * section a device, and a description in JSON at the end. Device sections carry no length of their
 * own; the description gives the sizes of their fields.
 *
 * @see <a href="https://www.qemu.org/docs/master/devel/migration/main.html">QEMU's migration
 *     documentation</a>, and {@code scripts/analyze-migration.py} in its source
 */
@NullMarked
package org.vmckpt.core.stream;

import org.jspecify.annotations.NullMarked;
