/**
 * The {@code vmckpt} command.
 *
 * <p>One class per <em>command</em>; {@link org.vmckpt.cli.Vmckpt} puts them together. A command
 * turns its arguments into a request, calls one service of {@code cow} or {@code core}, and gives
 * the <em>result</em> to its {@link org.vmckpt.cli.Session}, which prints it for people or, with
 * {@code --json}, as one JSON object. Standard output carries results and exported data only;
 * progress and errors for people go to standard error. {@link org.vmckpt.cli.ExitCode} is the one
 * place where an error becomes an exit code.
 */
@NullMarked
package org.vmckpt.cli;

import org.jspecify.annotations.NullMarked;
