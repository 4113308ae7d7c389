package org.vmckpt.agent.api;

import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.security.cert.X509Certificate;
import java.util.Optional;
import java.util.OptionalInt;
import jdk.net.ExtendedSocketOptions;
import jdk.net.UnixDomainPrincipal;
import org.eclipse.jetty.io.EndPoint;
import org.eclipse.jetty.io.SocketChannelEndPoint;
import org.eclipse.jetty.server.Request;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.RefusedException;
import org.vmckpt.cow.linux.UserGroups;

/**
 * Finds out who asks. On the Unix socket the kernel knows; on TCP the TLS handshake has refused
 * everybody without a certificate of ours before.
 *
 * @param group its members are let in beside root
 */
record PeerCheck(Optional<String> group, OptionalInt groupId) {
    private static final Logger LOG = LoggerFactory.getLogger(PeerCheck.class);
    private static final String ROOT = "root";

    /** Whose process the agent is: nobody is kept from what is theirs. */
    private static final String SELF = System.getProperty("user.name");

    /** Of the connection: users do not change on it. */
    private static final String PEER = PeerCheck.class.getName();

    /** Who it is; RefusedException when nobody who may use the API. */
    Peer require(Request request) throws RefusedException {
        Object known = request.getConnectionMetaData().getAttribute(PEER);
        if (known instanceof Peer peer) {
            return peer;
        }
        EndPoint endPoint = request.getConnectionMetaData().getConnection().getEndPoint();
        Peer peer =
                endPoint instanceof SocketChannelEndPoint unix && !endPoint.isSecure()
                        ? local(unix.getChannel())
                        : remote(endPoint);
        request.getConnectionMetaData().setAttribute(PEER, peer);
        return peer;
    }

    private Peer local(SocketChannel channel) throws RefusedException {
        String user;
        String userGroup;
        try {
            UnixDomainPrincipal principal = channel.getOption(ExtendedSocketOptions.SO_PEERCRED);
            user = principal.user().getName();
            userGroup = principal.group().getName();
        } catch (IOException | UnsupportedOperationException e) {
            throw new RefusedException("use the API: the kernel does not say who you are: " + e, e);
        }
        boolean member =
                userGroup.equals(group.orElse(""))
                        || (groupId.isPresent() && UserGroups.isMember(user, groupId.getAsInt()));
        boolean owner = user.equals(ROOT) || user.equals(SELF);
        if (!owner && !member) {
            LOG.warn("a request of user {} was refused", user);
            throw new RefusedException(
                    "use the API: user "
                            + user
                            + " is not root"
                            + group.map(name -> " and not in group " + name)
                                    .orElse(", and api.group is not set")
                            + "; run the command as root, or have the user added to the group");
        }
        return new Peer(user, owner);
    }

    private static Peer remote(EndPoint endPoint) throws RefusedException {
        EndPoint.SslSessionData session = endPoint.getSslSessionData();
        X509Certificate[] chain = session == null ? null : session.peerCertificates();
        if (chain == null || chain.length == 0) {
            throw new RefusedException("use the API over TCP: a client certificate is needed");
        }
        return new Peer(chain[0].getSubjectX500Principal().getName(), false);
    }
}
