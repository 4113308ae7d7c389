/**
 * What image formats and disk servers have in common.
 *
 * <p>A {@link org.vmckpt.cow.block.StorageFile} is a file as an image format sees it; a {@link
 * org.vmckpt.cow.block.BlockDevice} is a disk as a guest sees it. A {@link
 * org.vmckpt.cow.block.PlainFile} is a file of the host, and a {@link
 * org.vmckpt.cow.block.RawDevice} a disk whose bytes are those of its file.
 */
@NullMarked
package org.vmckpt.cow.block;

import org.jspecify.annotations.NullMarked;
