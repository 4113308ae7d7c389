package org.vmckpt.agent.service;

import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.cow.linux.DatagramSender;
import org.vmckpt.cow.linux.ErrnoException;

/** Tells systemd how the agent is, as sd_notify(3) does; nobody when it was started otherwise. */
final class Systemd implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Systemd.class);

    private final Optional<DatagramSender> socket;
    private final Optional<Duration> watchdog;
    private long fedNanos = System.nanoTime();

    private Systemd(Optional<DatagramSender> socket, Optional<Duration> watchdog) {
        this.socket = socket;
        this.watchdog = watchdog;
    }

    static Systemd connect(Map<String, String> environment) {
        String address = environment.getOrDefault("NOTIFY_SOCKET", "");
        Optional<DatagramSender> socket = Optional.empty();
        if (!address.isEmpty()) {
            try {
                socket = Optional.of(DatagramSender.connect(address));
            } catch (ErrnoException e) {
                LOG.warn("systemd will not hear of the agent: {}", e.getMessage());
            }
        }
        return new Systemd(socket, watchdog(environment));
    }

    /** For this process only: a child inherits the variables. */
    private static Optional<Duration> watchdog(Map<String, String> environment) {
        String micros = environment.getOrDefault("WATCHDOG_USEC", "");
        String pid = environment.getOrDefault("WATCHDOG_PID", "");
        boolean ours = pid.isEmpty() || pid.equals(Long.toString(ProcessHandle.current().pid()));
        return ours && micros.matches("[1-9]\\d{0,15}")
                ? Optional.of(Duration.ofNanos(Long.parseLong(micros) * 1000))
                : Optional.empty();
    }

    void ready(String status) {
        send("READY=1\nSTATUS=" + status);
    }

    /** Then {@link #ready} again; systemd wants to know since when. */
    void reloading() {
        send("RELOADING=1\nMONOTONIC_USEC=" + System.nanoTime() / 1000);
    }

    void stopping() {
        send("STOPPING=1");
    }

    /** Called often; tells systemd twice in each of its intervals. */
    synchronized void alive() {
        if (watchdog.isPresent()
                && System.nanoTime() - fedNanos > watchdog.get().toNanos() / 2 - 1) {
            fedNanos = System.nanoTime();
            send("WATCHDOG=1");
        }
    }

    private void send(String message) {
        try {
            if (socket.isPresent()) {
                socket.get().send(message);
            }
        } catch (ErrnoException e) {
            LOG.warn("systemd did not hear {}: {}", message, e.getMessage());
        }
    }

    @Override
    public void close() {
        socket.ifPresent(DatagramSender::close);
    }
}
