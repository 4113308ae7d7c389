/**
 * How a guest's QEMU was started, read from the running process and understood as QEMU does.
 *
 * <p>A <em>command line</em> is a list of <em>options</em>; an option's value is plain text, <em>
 * properties</em> written as {@code key=value,…}, or properties written as JSON. Reading and
 * rendering a command line changes nothing: what this package does not understand it keeps as it
 * was written.
 */
@NullMarked
package org.vmckpt.cow.definition;

import org.jspecify.annotations.NullMarked;
