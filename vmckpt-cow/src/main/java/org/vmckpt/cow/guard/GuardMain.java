package org.vmckpt.cow.guard;

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The guard's program. Arguments: the guest's monitor, the QMP lines that put migration settings
 * back, a folder of temporary sockets to remove, and optionally a socket whose connection is to be
 * kept. It reads one byte a change from standard input and depends on the JDK alone, so that it
 * starts quickly and stays small; for a domain of libvirt it takes libvirt's library too.
 */
public final class GuardMain {
    /** From now on the guest stands still because of us. */
    static final int PAUSED = 'P';

    /** The guest runs again, or was never ours to resume. */
    static final int RUNNING = 'R';

    /** From now on, until {@link #RUNNING}, servers of volumes may answer with EIO for us. */
    static final int ERRORS = 'E';

    /** All is done; there is nothing to clean up. */
    static final int DONE = 'Q';

    /**
     * From now on the guest's file systems may stand still because of us. Followed by the path of
     * its agent's socket, on one line.
     */
    static final int FREEZING = 'F';

    /** They do not any more. */
    static final int THAWED = 'T';

    /** What a monitor begins with that is reached through libvirt. */
    public static final String LIBVIRT = "libvirt:";

    static final String READY = "ready";

    /** The answer to {@link #PAUSED} and {@link #FREEZING}. */
    static final String HEARD = "heard";

    private static final long PATIENCE_NANOS = 60_000_000_000L;
    private static final Duration THAW_PATIENCE = Duration.ofMinutes(10);
    private static final long RETRY_NANOS = 2_000_000L;

    /** libvirtd may be away for an update; without it nobody gets to a domain's monitor. */
    private static final long LIBVIRT_PATIENCE_NANOS = 3_600_000_000_000L;

    private static final long LONGEST_RETRY_NANOS = 200_000_000L;
    private static final int ERROR_LOOKS = 20;
    private static final long ERROR_LOOK_NANOS = 30_000_000L;

    /** A server that has not heard of our end goes on by itself after 10 s. */
    private static final Duration ERROR_PATIENCE = Duration.ofSeconds(12);

    private static final Duration LONGEST_ERROR_LOOK = Duration.ofSeconds(1);

    private static final String ID = "vmckpt-guard-";

    private final Path socket;
    private final String undoLines;

    /** Is there as long as QEMU is, as its socket is not: another one may listen there later. */
    private final Path life;

    private final long patienceNanos;
    // Over all connections: QEMU can give the answer that one of them missed to the next.
    private final AtomicInteger calls = new AtomicInteger();

    private GuardMain(Path socket, String undoLines) {
        this(socket, undoLines, socket, PATIENCE_NANOS);
    }

    private GuardMain(Path socket, String undoLines, Path life, long patienceNanos) {
        this.socket = socket;
        this.undoLines = undoLines;
        this.life = life;
        this.patienceNanos = patienceNanos;
    }

    private static GuardMain of(String monitor, String undoLines) {
        String[] parts = monitor.split(":", 2);
        return new GuardMain(
                Path.of(parts[1]), undoLines, Path.of("/proc", parts[0]), PATIENCE_NANOS);
    }

    private static GuardMain of(LibvirtMonitor domain, String undoLines) {
        return new GuardMain(domain.socket(), undoLines, domain.process(), LIBVIRT_PATIENCE_NANOS);
    }

    public static void main(String[] arguments) throws IOException, InterruptedException {
        Optional<LibvirtMonitor> domain =
                arguments[0].startsWith(LIBVIRT)
                        ? Optional.of(LibvirtMonitor.open(arguments[0]))
                        : Optional.empty();
        GuardMain guard =
                domain.map(it -> of(it, arguments[1]))
                        .orElseGet(() -> of(arguments[0], arguments[1]));
        guard.rehearse(Path.of(arguments[2]));
        Optional<StreamKeeper> stream =
                arguments.length > 3
                        ? Optional.of(StreamKeeper.listen(Path.of(arguments[3]), System.err))
                        : Optional.empty();
        ProcessHandle.current().parent().ifPresent(StopWatcher::watch);
        PrintStream out = System.out;
        out.println(READY);
        out.flush();
        int state = RUNNING;
        boolean errors = false;
        Optional<Path> frozen = Optional.empty();
        for (int next = System.in.read(); next >= 0; next = System.in.read()) {
            if (next == FREEZING) {
                frozen = Optional.of(Path.of(line()));
            } else if (next == THAWED) {
                frozen = Optional.empty();
            } else if (next == ERRORS) {
                errors = true;
            } else {
                state = next;
                errors &= next == PAUSED;
            }
            if (next == PAUSED || next == FREEZING) {
                out.println(HEARD);
                out.flush();
            }
        }
        if (state != DONE) {
            // First of all: until the stream moves, QEMU may not even answer.
            stream.ifPresent(StreamKeeper::takeOver);
            if (state == PAUSED) {
                guard.takeOver(true);
            }
            // Only a guest that runs can do it.
            frozen.ifPresent(GuardMain::thaw);
            Optional<Thread> mending =
                    errors ? Optional.of(guard.mendLateErrors()) : Optional.empty();
            if (stream.isPresent()) {
                stream.get().awaitEnd();
            }
            // Migration settings cannot be changed before the stream has ended.
            guard.takeOver(false);
            UserfaultfdSetting.restoreLeft();
            removeFolder(Path.of(arguments[2]));
            if (domain.isPresent()) {
                removeFolder(domain.get().folder());
            }
            if (mending.isPresent()) {
                mending.get().join(ERROR_PATIENCE);
            }
        }
        domain.ifPresent(LibvirtMonitor::close);
    }

    private static String line() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        for (int next = System.in.read(); next >= 0 && next != '\n'; next = System.in.read()) {
            line.write(next);
        }
        return line.toString(StandardCharsets.UTF_8);
    }

    /** Beside the rest, which does not wait for a guest that is slow. */
    private static void thaw(Path socket) {
        Thread.ofPlatform().name("thaw").start(() -> Thaw.insist(socket, THAW_PATIENCE));
    }

    /** Loads and runs every class of the takeover once, against a socket of our own. */
    private void rehearse(Path folder) throws IOException {
        Path practice = folder.resolve("guard.sock");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(practice));
            int callCount = 3 + (int) undoLines.lines().count();
            Thread peer = Thread.ofPlatform().daemon().start(() -> answer(server, callCount));
            new GuardMain(practice, undoLines).attempt(true);
            peer.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            Files.deleteIfExists(practice);
        }
    }

    private static void answer(ServerSocketChannel server, int callCount) {
        try (SocketChannel peer = server.accept()) {
            StringBuilder text = new StringBuilder("{\"QMP\": {}}\n");
            for (int call = 1; call <= callCount; call++) {
                text.append("{\"return\": {}, ").append(id(call)).append("}\n");
            }
            peer.write(ByteBuffer.wrap(text.toString().getBytes(StandardCharsets.UTF_8)));
            while (peer.read(ByteBuffer.allocate(1024)) >= 0) {
                // Whatever it asks was answered beforehand.
            }
        } catch (IOException e) {
            // Only a rehearsal: without it the takeover is slower by its class loading.
        }
    }

    private void takeOver(boolean resume) {
        long start = System.nanoTime();
        for (long waited = 0;
                waited < patienceNanos && Files.exists(life);
                waited = System.nanoTime() - start) {
            try {
                if (attempt(resume)) {
                    return;
                }
            } catch (IOException e) {
                // QEMU has not yet noticed that the old client is gone, or is gone itself.
            }
            // Ever more slowly, when it takes long.
            LockSupport.parkNanos(Math.clamp(waited / 16, RETRY_NANOS, LONGEST_RETRY_NANOS));
        }
    }

    /** One connection: true when the guest runs and its capabilities are as they were. */
    private boolean attempt(boolean resume) throws IOException {
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
            BufferedReader in = reader(channel);
            if (in.readLine() == null) {
                return false;
            }
            boolean ready = call(channel, in, "{\"execute\": \"qmp_capabilities\"}");
            boolean resumed = !resume || resume(channel, in);
            // Fails while a migration ends; then the next attempt does it.
            return ready && resumed && undo(channel, in);
        }
    }

    private boolean undo(SocketChannel channel, BufferedReader in) throws IOException {
        boolean undone = true;
        for (String line : undoLines.lines().toList()) {
            undone &= call(channel, in, line);
        }
        return undone;
    }

    /** A migration that lost its reader ends by itself; until then QEMU refuses cont. */
    private boolean resume(SocketChannel channel, BufferedReader in) throws IOException {
        long start = System.nanoTime();
        while (!call(channel, in, "{\"execute\": \"cont\"}")) {
            call(channel, in, "{\"execute\": \"migrate_cancel\"}");
            if (System.nanoTime() - start > PATIENCE_NANOS) {
                return false;
            }
            LockSupport.parkNanos(RETRY_NANOS);
        }
        resumeAfterErrors(channel, in);
        return true;
    }

    /**
     * The server of a volume that answers requests with EIO for us may hear of our end later than
     * QEMU of its cont. Then what QEMU issued again has failed again, and stopped the guest.
     */
    private void resumeAfterErrors(SocketChannel channel, BufferedReader in) throws IOException {
        for (int look = 0; look < ERROR_LOOKS; look++) {
            LockSupport.parkNanos(ERROR_LOOK_NANOS);
            if (!answer(channel, in, "{\"execute\": \"query-status\"}").contains("io-error")) {
                return;
            }
            call(channel, in, "{\"execute\": \"cont\"}");
        }
    }

    /** The same, should it be much later, on a host without a processor to spare. */
    private Thread mendLateErrors() {
        // Somebody else may have the monitor: nobody waits for that.
        return Thread.ofPlatform().daemon().start(this::watchForErrors);
    }

    private void watchForErrors() {
        long start = System.nanoTime();
        Duration look = Duration.ofMillis(100);
        while (System.nanoTime() - start < ERROR_PATIENCE.toNanos() && Files.exists(life)) {
            LockSupport.parkNanos(look.toNanos());
            look = look.multipliedBy(2);
            if (look.compareTo(LONGEST_ERROR_LOOK) > 0) {
                look = LONGEST_ERROR_LOOK;
            }
            try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
                BufferedReader in = reader(channel);
                if (in.readLine() != null
                        && System.nanoTime() - start < ERROR_PATIENCE.toNanos()
                        && call(channel, in, "{\"execute\": \"qmp_capabilities\"}")) {
                    resumeAfterErrors(channel, in);
                }
            } catch (IOException e) {
                // QEMU has ended, or has not noticed yet that somebody else has gone.
            }
        }
    }

    private static BufferedReader reader(SocketChannel channel) {
        return new BufferedReader(
                new InputStreamReader(Channels.newInputStream(channel), StandardCharsets.UTF_8));
    }

    private boolean call(SocketChannel channel, BufferedReader in, String line) throws IOException {
        return answer(channel, in, line).contains("\"return\":");
    }

    /**
     * The first answer need not be ours: a client that was killed leaves its last command behind,
     * and QEMU answers whoever is there when it is done.
     */
    private String answer(SocketChannel channel, BufferedReader in, String line)
            throws IOException {
        String id = id(calls.incrementAndGet());
        String text = "{" + id + ", " + line.substring(1) + "\n";
        ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
        for (@Nullable String answer = in.readLine(); answer != null; answer = in.readLine()) {
            if (answer.contains(id)) {
                return answer;
            }
        }
        throw new IOException("QEMU closed the connection");
    }

    /** As QEMU repeats it. */
    private static String id(int call) {
        return "\"id\": \"" + ID + call + "\"";
    }

    /** Whoever made it may have outlived its connection, and removed it. */
    private static void removeFolder(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            return;
        }
        try (var files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.deleteIfExists(file);
            }
        }
        Files.deleteIfExists(folder);
    }
}
