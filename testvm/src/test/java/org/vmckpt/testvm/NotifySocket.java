package org.vmckpt.testvm;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** What systemd would hear of a service. Java has no datagram sockets for paths; Perl has. */
final class NotifySocket implements AutoCloseable {
    private static final String RECEIVER =
            "use Socket; $| = 1; socket(S, PF_UNIX, SOCK_DGRAM, 0); bind(S, sockaddr_un($ARGV[0]))"
                    + " or die $!; print \"bound\\n\"; while (defined recv(S, $m, 4096, 0)) { $m =~"
                    + " s/\\n/ /g; print \"$m\\n\" }";

    private final Process receiver;
    private final List<String> messages = new CopyOnWriteArrayList<>();

    private NotifySocket(Process receiver) {
        this.receiver = receiver;
    }

    static NotifySocket listen(Path path) throws IOException {
        Process perl = new ProcessBuilder("perl", "-e", RECEIVER, path.toString()).start();
        NotifySocket socket = new NotifySocket(perl);
        BufferedReader lines = perl.inputReader();
        if (!"bound".equals(lines.readLine())) {
            throw new IOException("no datagram socket at " + path);
        }
        Thread.ofPlatform()
                .daemon()
                .start(() -> lines.lines().forEach(line -> socket.messages.add(line)));
        return socket;
    }

    /** All messages so far, each on one line. */
    List<String> messages() {
        return List.copyOf(messages);
    }

    @Override
    public void close() {
        receiver.destroyForcibly();
    }
}
