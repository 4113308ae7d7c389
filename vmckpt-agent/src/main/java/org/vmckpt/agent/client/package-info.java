/** Talks to the agent of this host: what the command line needs of it. */
@NullMarked
package org.vmckpt.agent.client;

import org.jspecify.annotations.NullMarked;
