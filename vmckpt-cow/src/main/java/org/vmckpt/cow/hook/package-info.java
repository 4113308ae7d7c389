/**
 * Others are told what happens to a guest. A <em>hook</em> is an executable of the hooks folder; a
 * <em>webhook</em> is an HTTP endpoint. Both get a <em>message</em>: one JSON object, of which
 * executables also find each field in their environment. A <em>pre-hook</em> is asked before
 * anything is done and can forbid it; all others are only told. A <em>paused hook</em> is started
 * before the guest stands still and signalled when it does.
 */
@NullMarked
package org.vmckpt.cow.hook;

import org.jspecify.annotations.NullMarked;
