/**
 * The daemon on the host: it takes checkpoints by schedule and on request, and keeps guests tracked
 * in between. {@code service} puts its parts together; {@code client} is for the command line, and
 * knows nothing of the others.
 */
@NullMarked
package org.vmckpt.agent;

import org.jspecify.annotations.NullMarked;
