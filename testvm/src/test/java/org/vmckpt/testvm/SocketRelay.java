package org.vmckpt.testvm;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;

/** A port of this host that leads to a Unix socket, as {@code ssh -L PORT:SOCKET} makes one. */
final class SocketRelay implements AutoCloseable {
    private final ServerSocket listener;
    private final Path socket;

    private SocketRelay(ServerSocket listener, Path socket) {
        this.listener = listener;
        this.socket = socket;
    }

    static SocketRelay to(Path socket) throws IOException {
        SocketRelay relay =
                new SocketRelay(new ServerSocket(0, 50, InetAddress.getLoopbackAddress()), socket);
        Thread.ofVirtual().start(relay::accept);
        return relay;
    }

    int port() {
        return listener.getLocalPort();
    }

    private void accept() {
        try {
            while (true) {
                Socket client = listener.accept();
                Thread.ofVirtual().start(() -> relay(client));
            }
        } catch (IOException closed) {
            return;
        }
    }

    private void relay(Socket client) {
        try (client;
                SocketChannel server = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
            InputStream answers = Channels.newInputStream(server);
            OutputStream requests = Channels.newOutputStream(server);
            Thread back = Thread.ofVirtual().start(() -> copy(answers, client));
            client.getInputStream().transferTo(requests);
            server.shutdownOutput();
            back.join();
        } catch (IOException | InterruptedException ended) {
            return;
        }
    }

    private static void copy(InputStream from, Socket to) {
        try {
            from.transferTo(to.getOutputStream());
            to.shutdownOutput();
        } catch (IOException ended) {
            return;
        }
    }

    @Override
    public void close() throws IOException {
        listener.close();
    }
}
