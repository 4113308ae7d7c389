/**
 * Serves volumes to QEMU and other clients by the NBD protocol, on a Unix socket.
 *
 * <p>The protocol is described at <a
 * href="https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md">NetworkBlockDevice/nbd</a>:
 * fixed newstyle handshake, simple and structured replies, block status (base:allocation). Not
 * offered: TLS (the socket's permissions say who may connect), extended headers, resize, cache,
 * fast zeroes. A client that breaks the protocol loses its connection and nothing else.
 *
 * <p>How a request is served. One thread for each connection reads requests, many with one system
 * call, and executes them itself as long as that is fast: the answer of a 4 KiB read from the page
 * cache costs less than waking another thread. Answers are gathered and sent with one system call
 * as well. Requests that may block are detached: copied into a slot, of which a connection has a
 * bounded number, and executed by the threads of their export. {@link org.vmckpt.cow.nbd.Pace}
 * tells which of the two it is to be, from how long the last requests took.
 *
 * <p>A connection's thread that is caught in a slow request is relieved: another thread goes on
 * reading where it stopped, and it answers its last request by itself. The watchdog thread of
 * {@link org.vmckpt.cow.nbd.NbdServer} does so after some milliseconds.
 *
 * <p>Answers of detached requests are sent by a thread of the connection, so that a client that
 * does not read its answers holds up nobody but itself.
 */
@NullMarked
package org.vmckpt.cow.nbd;

import org.jspecify.annotations.NullMarked;
