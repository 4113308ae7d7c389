package org.vmckpt.testvm;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;

/**
 * Follows the console log of a guest and sends it commands.
 *
 * <p>It holds nothing open and runs no thread: the log is read on when something is asked. The log
 * of a restored guest begins in the middle, so only a booted one has a {@link ConsoleLine.Boot}.
 */
public final class GuestConsole {
    private static final long POLL_MILLIS = 20;

    /** A guest that works flat out on a busy host may not come to it for long. */
    private static final Duration COMMAND_LIMIT = Duration.ofSeconds(60);

    private static final int CHUNK_BYTES = 64 << 10;
    private static final int LAST_WORDS = 5;

    private final Path log;
    private final Path commandSocket;
    private final BooleanSupplier alive;

    /** Guarded by this: the lines read so far, where the log is read on, and an unfinished line. */
    private final List<ConsoleLine> lines = new ArrayList<>();

    private long position;
    private final ByteArrayOutputStream unfinished = new ByteArrayOutputStream();

    public GuestConsole(Path log, Path commandSocket) {
        this(log, commandSocket, () -> true);
    }

    /**
     * Follows a guest that can end.
     *
     * @param log where QEMU writes what the guest says; need not exist yet
     * @param commandSocket QEMU's Unix socket of the guest's second serial port
     * @param alive false as soon as waiting makes no sense
     */
    public GuestConsole(Path log, Path commandSocket, BooleanSupplier alive) {
        this.log = log;
        this.commandSocket = commandSocket;
        this.alive = alive;
    }

    // ---- what the guest has said ----

    public synchronized List<ConsoleLine> lines() {
        readOn();
        return List.copyOf(lines);
    }

    public <T extends ConsoleLine> List<T> lines(Class<T> kind) {
        return lines().stream().filter(kind::isInstance).map(kind::cast).toList();
    }

    public Optional<ConsoleLine.Tick> latestTick() {
        List<ConsoleLine.Tick> ticks = lines(ConsoleLine.Tick.class);
        return ticks.isEmpty() ? Optional.empty() : Optional.of(ticks.getLast());
    }

    public List<ConsoleLine.Stall> stalls() {
        return lines(ConsoleLine.Stall.class);
    }

    public List<ConsoleLine.Fault> faults() {
        return lines(ConsoleLine.Fault.class);
    }

    /** All errors since the guest's boot, as far as this log tells. */
    public long errors() {
        long errors = 0;
        for (ConsoleLine line : lines()) {
            errors =
                    switch (line) {
                        case ConsoleLine.Tick tick -> Math.max(errors, tick.errors());
                        case ConsoleLine.Verdict verdict -> Math.max(errors, verdict.errors());
                        case ConsoleLine.Fault fault -> Math.max(errors, fault.number());
                        case ConsoleLine.Boot _,
                                ConsoleLine.Stall _,
                                ConsoleLine.Answer _,
                                ConsoleLine.Stray _ ->
                                errors;
                    };
        }
        return errors;
    }

    // ---- waiting ----

    public ConsoleLine.Boot awaitBoot(Duration timeout) {
        return await(ConsoleLine.Boot.class, 0, _ -> true, "the first line of a boot", timeout);
    }

    /** The latest tick; the first of all, if none came yet. */
    public ConsoleLine.Tick awaitAnyTick(Duration timeout) {
        return latestTick().orElseGet(() -> awaitFirstTick(timeout));
    }

    /** The first tick in the log, however long ago it came. */
    public ConsoleLine.Tick awaitFirstTick(Duration timeout) {
        return awaitTick(-1, timeout);
    }

    /** The first tick whose counter is greater. */
    public ConsoleLine.Tick awaitTick(long afterCounter, Duration timeout) {
        return awaitTick(
                tick -> tick.counter() > afterCounter,
                "a tick after counter " + afterCounter,
                timeout);
    }

    /** The first tick in the log that fits. */
    public ConsoleLine.Tick awaitTick(
            Predicate<ConsoleLine.Tick> fits, String what, Duration timeout) {
        return await(ConsoleLine.Tick.class, 0, fits, what, timeout);
    }

    public ConsoleLine.Fault awaitFault(Duration timeout) {
        return await(ConsoleLine.Fault.class, 0, _ -> true, "an error", timeout);
    }

    private <T extends ConsoleLine> T await(
            Class<T> kind, int from, Predicate<T> fits, String what, Duration timeout) {
        long deadline = System.nanoTime() + timeout.toNanos();
        int next = from;
        while (true) {
            // Asked before reading: what a guest said before its end is still found.
            boolean last = !alive.getAsBoolean() || System.nanoTime() > deadline;
            List<ConsoleLine> known = lines();
            for (; next < known.size(); next++) {
                if (kind.isInstance(known.get(next)) && fits.test(kind.cast(known.get(next)))) {
                    return kind.cast(known.get(next));
                }
            }
            if (last) {
                throw new TestGuestException(
                        "waited for %s on %s for up to %s, but %s; its last lines: %s"
                                .formatted(
                                        what,
                                        log,
                                        timeout,
                                        alive.getAsBoolean() ? "it did not come" : "QEMU has ended",
                                        lastWords(known)));
            }
            sleep();
        }
    }

    // ---- commands ----

    public void memoryRate(Rate rate) {
        command("mem.rate=" + rate.text(), COMMAND_LIMIT);
    }

    public void diskRate(Rate rate) {
        command("disk.rate=" + rate.text(), COMMAND_LIMIT);
    }

    public void stallRate(Rate rate) {
        command("stall.rate=" + rate.text(), COMMAND_LIMIT);
    }

    /** Returns when the workload stands still, with nothing dirty in the guest's page cache. */
    public void stop() {
        command("stop", COMMAND_LIMIT);
    }

    public void go() {
        command("go", COMMAND_LIMIT);
    }

    /** Lets the guest judge every page and block; it goes on afterwards unless it was stopped. */
    public ConsoleLine.Verdict verify(Duration timeout) {
        int from = command("verify", timeout);
        return await(ConsoleLine.Verdict.class, from, _ -> true, "a verdict", timeout);
    }

    /** Sends a line and returns, when it was obeyed, how many lines the log had before. */
    private int command(String command, Duration timeout) {
        int from = lines().size();
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            channel.connect(UnixDomainSocketAddress.of(commandSocket));
            ByteBuffer line = StandardCharsets.US_ASCII.encode(command + "\n");
            while (line.hasRemaining()) {
                channel.write(line);
            }
            ConsoleLine.Answer answer =
                    await(
                            ConsoleLine.Answer.class,
                            from,
                            said -> said.command().equals(command),
                            "the answer to " + command,
                            timeout);
            if (!answer.obeyed()) {
                throw new TestGuestException("the guest does not know the command " + command);
            }
            return from;
        } catch (IOException e) {
            throw new TestGuestException(
                    "cannot send %s to %s: is QEMU running?".formatted(command, commandSocket), e);
        }
    }

    // ---- reading ----

    private synchronized void readOn() {
        try (FileChannel file = FileChannel.open(log, StandardOpenOption.READ)) {
            ByteBuffer chunk = ByteBuffer.allocate(CHUNK_BYTES);
            while (file.read(chunk, position) > 0) {
                position += chunk.position();
                takeAll(chunk.flip());
                chunk.clear();
            }
        } catch (NoSuchFileException e) {
            return; // QEMU has not come that far
        } catch (IOException e) {
            throw new TestGuestException("cannot read the console log " + log, e);
        }
    }

    private void takeAll(ByteBuffer chunk) {
        while (chunk.hasRemaining()) {
            byte next = chunk.get();
            if (next != '\n') {
                unfinished.write(next);
                continue;
            }
            String text = unfinished.toString(StandardCharsets.UTF_8).strip();
            unfinished.reset();
            if (!text.isEmpty()) {
                lines.add(ConsoleLine.parse(text));
            }
        }
    }

    private String lastWords(List<ConsoleLine> known) {
        if (!Files.exists(log)) {
            return "(there is no log)";
        }
        return known.subList(Math.max(0, known.size() - LAST_WORDS), known.size()).toString();
    }

    private static void sleep() {
        try {
            Thread.sleep(POLL_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TestGuestException("interrupted while waiting for a guest", e);
        }
    }
}
