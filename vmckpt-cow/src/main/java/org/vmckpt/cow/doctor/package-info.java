/**
 * What a host and a guest allow, asked before a checkpoint is taken.
 *
 * <p>A <em>check</em> looks at one thing and returns a {@link org.vmckpt.cow.doctor.Finding}: what
 * was looked at, what was found, a {@link org.vmckpt.cow.doctor.Verdict}, the engines that cannot
 * be used because of it, and the <em>remedy</em>: the command or option that mends it. From all
 * findings follows the {@link org.vmckpt.cow.doctor.EngineDiagnosis} of each engine. Checks ask the
 * same code that a checkpoint asks, so that both judge alike, and leave guest and host as they are.
 */
@NullMarked
package org.vmckpt.cow.doctor;

import org.jspecify.annotations.NullMarked;
