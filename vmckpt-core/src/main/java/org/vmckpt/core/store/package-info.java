/**
 * The store: a directory of immutable segments and the manifests that list them.
 *
 * <p>A <em>segment</em> is a file that holds part of a checkpoint: the pages of a RAM block, the
 * blocks of a disk, or a device stream. Its content is divided into <em>units</em> of one size. A
 * unit is <em>data</em>, <em>zero</em>, or <em>absent</em>: absent means that the segment says
 * nothing about it and the <em>layer</em> below (an older segment) is asked. Data units are stored
 * in <em>blocks</em>, each compressed and checksummed on its own, so one unit can be read without
 * reading the rest. The <em>index</em> at the end of a segment lists its blocks.
 *
 * <p>A segment is written to a temporary file and gets its name when it is finished; a checkpoint
 * becomes visible when its manifest is <em>published</em>, which is last. A <em>hold</em> keeps
 * segments that no manifest lists yet from being removed.
 *
 * <p>{@code docs/format.md} describes every byte.
 */
@NullMarked
package org.vmckpt.core.store;

import org.jspecify.annotations.NullMarked;
