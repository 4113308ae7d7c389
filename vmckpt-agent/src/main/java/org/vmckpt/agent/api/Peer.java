package org.vmckpt.agent.api;

/**
 * Who made a request.
 *
 * @param name a local user, or the subject of a certificate
 * @param root whether it is the host's root, who may name guests by their sockets
 */
record Peer(String name, boolean root) {}
