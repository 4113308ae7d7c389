package org.vmckpt.agent.api;

import java.time.Duration;
import java.util.List;
import org.eclipse.jetty.server.AbstractConnector;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.LowResourceMonitor;
import org.eclipse.jetty.server.NetworkConnectionLimit;
import org.eclipse.jetty.server.SecureRequestCustomizer;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.SslConnectionFactory;
import org.eclipse.jetty.unixdomain.server.UnixDomainServerConnector;
import org.eclipse.jetty.util.thread.QueuedThreadPool;
import org.eclipse.jetty.util.thread.VirtualThreadPool;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.agent.config.AgentConfig;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/**
 * Serves the API. Selector threads read requests, virtual threads answer them, so a client that
 * says nothing costs a descriptor and some memory; when there are many, silent ones are closed
 * early.
 */
public final class ApiServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ApiServer.class);
    private static final Duration IDLE_LIMIT = Duration.ofSeconds(30);

    /** When there are more than limits.connections. */
    private static final Duration CROWDED_IDLE_LIMIT = Duration.ofSeconds(1);

    /** Beyond so many times the limit nobody is accepted until others have gone. */
    private static final int HARD_LIMIT_FACTOR = 4;

    private static final int MAX_THREADS = 16;
    private static final int CROWDED_CHECK_MILLIS = 500;

    private final Server server;
    private final ApiSocket socket;

    private ApiServer(Server server, ApiSocket socket) {
        this.server = server;
        this.socket = socket;
    }

    /** Returns when clients can connect. */
    public static ApiServer start(
            AgentConfig.Api api, AgentConfig.Limits limits, ApiContext context)
            throws VmckptException {
        QueuedThreadPool threads = new QueuedThreadPool(MAX_THREADS);
        threads.setName("api");
        threads.setDaemon(true);
        // As many as there can be connections: no request waits for others whose body never comes.
        VirtualThreadPool requests =
                new VirtualThreadPool(limits.connections() * HARD_LIMIT_FACTOR);
        threads.setVirtualThreadsExecutor(requests);
        Server server = new Server(threads);
        server.addBean(requests);
        HttpConfiguration http = http(limits);
        ApiSocket socket = ApiSocket.prepare(api.socket(), api.group());
        UnixDomainServerConnector local =
                new UnixDomainServerConnector(server, 1, 1, new HttpConnectionFactory(http));
        local.setUnixDomainPath(socket.temporary());
        local.setAcceptQueueSize(limits.connections() * HARD_LIMIT_FACTOR);
        add(server, local);
        if (api.tcp().isPresent()) {
            add(server, tcp(server, api.tcp().get(), http));
        }
        limitConnections(server, limits.connections());
        server.setHandler(
                new ApiHandler(
                        Resources.routes(context),
                        new PeerCheck(api.group(), socket.groupId()),
                        limits.requestBytes()));
        server.setErrorHandler(new ErrorAnswers());
        ApiServer started = new ApiServer(server, socket);
        try {
            server.start();
            socket.publish();
            return started;
        } catch (VmckptException e) {
            started.close();
            throw e;
        } catch (Exception e) {
            started.close();
            throw new StorageException("serve the API on " + api.socket() + ": " + e, e);
        }
    }

    private static HttpConfiguration http(AgentConfig.Limits limits) {
        HttpConfiguration http = new HttpConfiguration();
        http.setRequestHeaderSize(limits.headerBytes());
        http.setSendServerVersion(false);
        http.setSendDateHeader(false);
        return http;
    }

    private static ServerConnector tcp(Server server, AgentConfig.Tcp tcp, HttpConfiguration http)
            throws VmckptException {
        HttpConfiguration secure = new HttpConfiguration(http);
        // Clients know the agent by its certificate, whatever name they reach it by.
        secure.addCustomizer(new SecureRequestCustomizer(false));
        ServerConnector connector =
                new ServerConnector(
                        server,
                        1,
                        1,
                        new SslConnectionFactory(Tls.server(tcp), "http/1.1"),
                        new HttpConnectionFactory(secure));
        connector.setHost(tcp.host());
        connector.setPort(tcp.port());
        return connector;
    }

    private static void add(Server server, AbstractConnector connector) {
        connector.setIdleTimeout(IDLE_LIMIT.toMillis());
        server.addConnector(connector);
    }

    private static void limitConnections(Server server, int limit) {
        LowResourceMonitor crowded = new LowResourceMonitor(server);
        crowded.addLowResourceCheck(crowded.new MaxConnectionsLowResourceCheck(limit));
        crowded.setMonitoredConnectors(List.of(server.getConnectors()));
        crowded.setPeriod(CROWDED_CHECK_MILLIS);
        crowded.setLowResourcesIdleTimeout((int) CROWDED_IDLE_LIMIT.toMillis());
        server.addBean(crowded);
        server.addBean(new NetworkConnectionLimit(limit * HARD_LIMIT_FACTOR, server));
    }

    @Override
    public void close() {
        try {
            server.stop();
        } catch (Exception e) {
            LOG.warn("stopping the API: {}", e.toString());
        }
        socket.remove();
    }
}
