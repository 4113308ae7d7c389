package org.vmckpt.cow.hook;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;

/** An HTTP server that keeps what is posted to it. */
public final class Endpoint implements AutoCloseable {
    private final HttpServer server;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final BlockingQueue<String> bodies = new LinkedBlockingQueue<>();
    private final AtomicInteger status = new AtomicInteger(204);

    private Endpoint(HttpServer server) {
        this.server = server;
    }

    public static Endpoint start() throws IOException {
        HttpServer server =
                HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        Endpoint endpoint = new Endpoint(server);
        server.setExecutor(endpoint.threads);
        server.createContext(
                "/hook",
                exchange -> {
                    try (exchange) {
                        byte[] body = exchange.getRequestBody().readAllBytes();
                        endpoint.bodies.add(new String(body, StandardCharsets.UTF_8));
                        exchange.getResponseHeaders().add("Location", "/elsewhere");
                        exchange.sendResponseHeaders(endpoint.status.get(), -1);
                    }
                });
        server.createContext(
                "/silent",
                exchange -> {
                    byte[] body = exchange.getRequestBody().readAllBytes();
                    endpoint.bodies.add(new String(body, StandardCharsets.UTF_8));
                });
        server.createContext(
                "/endless",
                exchange -> {
                    try (exchange) {
                        exchange.sendResponseHeaders(200, 0);
                        while (true) {
                            exchange.getResponseBody().write(new byte[1024]);
                        }
                    }
                });
        server.start();
        return endpoint;
    }

    public void answerWith(int code) {
        status.set(code);
    }

    public URI url(String path) {
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort() + path);
    }

    /** What was posted, each once. */
    public BlockingQueue<String> bodies() {
        return bodies;
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}
