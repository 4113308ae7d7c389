/**
 * The agent's configuration: one YAML file. Each mistake in it is a <em>problem</em> with the line
 * where it stands; all of them are found at once.
 */
@NullMarked
package org.vmckpt.agent.config;

import org.jspecify.annotations.NullMarked;
