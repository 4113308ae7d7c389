/**
 * QEMU's migration stream, as far as a checkpoint needs it.
 *
 * <p>A <em>migration stream</em> is a header, a <em>section</em> for RAM in several parts, one
 * section a device, and a description in JSON at the end. Device sections carry no length of their
 * own; the description gives the sizes of their fields.
 *
 * <p>A <em>device stream</em> is a migration stream without the pages of guest memory. Either QEMU
 * writes it so, with the {@code x-ignore-shared} capability, or {@link
 * org.vmckpt.core.stream.RamSplitter} takes them out. Both list all RAM blocks and hold the pages
 * of the small ones.
 *
 * @see <a href="https://www.qemu.org/docs/master/devel/migration/main.html">QEMU's migration
 *     documentation</a>, and {@code scripts/analyze-migration.py} in its source
 */
@NullMarked
package org.vmckpt.core.stream;

import org.jspecify.annotations.NullMarked;
