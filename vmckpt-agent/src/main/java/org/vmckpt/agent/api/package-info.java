/**
 * The API: HTTP and JSON over a Unix socket, and over TCP with client certificates. {@code
 * openapi.yaml} beside this file describes it; a test holds the two together.
 *
 * <p>An <em>endpoint</em> answers one method of one path; a <em>call</em> is one request to it, of
 * a <em>peer</em> who is known.
 */
@NullMarked
package org.vmckpt.agent.api;

import org.jspecify.annotations.NullMarked;
