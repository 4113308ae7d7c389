/**
 * A process that serves volumes: their exports on one socket, and a <em>control socket</em> by
 * which other processes, {@code vmckpt checkpoint} among them, fork and hold them. docs/volume.md
 * has the commands.
 */
@NullMarked
package org.vmckpt.cow.serving;

import org.jspecify.annotations.NullMarked;
