/**
 * A client of QEMU's machine protocol (QMP): one JSON object a line over a Unix socket.
 *
 * <p>A <em>command</em> gets exactly one answer, in order. An <em>event</em> may come at any time.
 * QEMU serves one client of a socket at a time; others wait, unanswered, in its backlog.
 *
 * @see <a href="https://www.qemu.org/docs/master/interop/qmp-spec.html">QMP specification</a>
 */
@NullMarked
package org.vmckpt.core.qmp;

import org.jspecify.annotations.NullMarked;
