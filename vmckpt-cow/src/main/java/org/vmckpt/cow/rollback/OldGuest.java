package org.vmckpt.cow.rollback;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;
import org.vmckpt.core.Json;
import org.vmckpt.core.Manifest.GuestDefinition;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.checkpoint.GuestSession;
import org.vmckpt.cow.definition.QemuCommandLine;
import org.vmckpt.cow.definition.QemuOption;
import org.vmckpt.cow.restore.OldOutputs;
import org.vmckpt.cow.restore.Takeover;

/** The running guest that is to be replaced; we have its monitor. */
final class OldGuest implements Takeover {
    /** A stop waits for the requests that are pending on the disks. */
    private static final Duration STOP_LIMIT = Duration.ofSeconds(60);

    private static final Duration END_LIMIT = Duration.ofSeconds(30);
    private static final long NANOS_PER_MILLI = 1_000_000;

    private final GuestSession session;
    private final GuestDefinition definition;
    private final OldOutputs outputs;
    private final Set<String> options = new HashSet<>();
    private final Set<String> unshared = new TreeSet<>();
    private final RollbackRequest request;
    private final String id;
    private final Path journalFile;
    private final RollbackProbe probe;
    private final List<Journal.Move> moves = new ArrayList<>();
    private long stoppedAtNanos;
    private OptionalLong newRunsAtNanos = OptionalLong.empty();

    OldGuest(
            GuestSession session,
            GuestDefinition definition,
            RollbackRequest request,
            String id,
            Path journalFile,
            RollbackProbe probe)
            throws VmckptException {
        this.session = session;
        this.definition = definition;
        this.outputs = OldOutputs.of(definition);
        this.request = request;
        this.id = id;
        this.journalFile = journalFile;
        this.probe = probe;
        QemuCommandLine.parse(definition.arguments(), QemuOption.Origin.RECORDED)
                .options()
                .forEach(option -> options.add(option.toString()));
    }

    @Override
    public boolean owns(Path output) {
        return outputs.files().contains(output)
                || output.equals(session.qmp().socketPath().toAbsolutePath().normalize());
    }

    @Override
    public boolean has(QemuOption option) {
        return options.contains(option.toString());
    }

    @Override
    public void cannotShare(String what) {
        unshared.add(what);
    }

    /** What makes it end before the new guest starts. */
    Set<String> unshared() {
        return unshared;
    }

    @Override
    public Map<String, String> environment() {
        return Map.of(Journal.VARIABLE, id);
    }

    @Override
    public void newGuestRuns() {
        newRunsAtNanos = OptionalLong.of(System.nanoTime());
    }

    /** How long no guest ran; until now, if the new one stays stopped. */
    long standstillMillis() {
        return (newRunsAtNanos.orElseGet(System::nanoTime) - stoppedAtNanos) / NANOS_PER_MILLI;
    }

    List<Journal.Move> moves() {
        return moves;
    }

    @Override
    public void makeWay(Set<Path> newOutputs) throws VmckptException {
        List<String> made = new ArrayList<>();
        for (Path output : newOutputs) {
            if (!Files.exists(output, LinkOption.NOFOLLOW_LINKS)) {
                made.add(output.toString());
            } else if (owns(output)) {
                moves.add(aside(output));
            }
        }
        Journal journal =
                new Journal(
                        id,
                        Journal.Phase.STANDING,
                        request.restore().qmpPath().toString(),
                        RunningProcess.of(session.pid()),
                        isRunning(),
                        moves,
                        made,
                        request.restore().disksDirectory().toString(),
                        request.restore().store().directory().toAbsolutePath().toString(),
                        request.safety().map(Object::toString));
        journal.write(journalFile);
        stop();
        if (!unshared.isEmpty()) {
            end(journal);
        }
        probe.reached(RollbackProbe.Moment.STOPPED);
        moveAside();
        probe.reached(RollbackProbe.Moment.MOVED);
    }

    /** Who may use a socket or read a log stays as it was, also where somebody has changed that. */
    void handOverNames() throws StorageException {
        for (Journal.Move move : moves) {
            try {
                PosixFileAttributeView to = attributes(move.from());
                PosixFileAttributes from = attributes(move.to()).readAttributes();
                to.setOwner(from.owner());
                to.setGroup(from.group());
                to.setPermissions(from.permissions());
            } catch (NoSuchFileException e) {
                // The new guest was told not to make it.
            } catch (IOException e) {
                throw new StorageException(
                        "rollback: giving %s the owner and mode that it had: %s"
                                .formatted(move.from(), e),
                        e);
            }
        }
    }

    private static PosixFileAttributeView attributes(String path) {
        return Files.getFileAttributeView(Path.of(path), PosixFileAttributeView.class);
    }

    private Journal.Move aside(Path output) {
        boolean memory = outputs.memory().contains(output);
        return new Journal.Move(
                output.toString(),
                output + ".old-" + id,
                memory || !Files.isRegularFile(output, LinkOption.NOFOLLOW_LINKS));
    }

    private boolean isRunning() throws VmckptException {
        return session.qmp().execute("query-status").path("running").asBoolean();
    }

    private void stop() throws VmckptException {
        session.qmp().execute("stop", Json.MAPPER.createObjectNode(), STOP_LIMIT);
        stoppedAtNanos = System.nanoTime();
    }

    private void end(Journal journal) throws VmckptException {
        requireSafety();
        journal.in(Journal.Phase.ENDED).write(journalFile);
        journal.old().kill(END_LIMIT);
    }

    /** Without a checkpoint of it nothing would bring it back. */
    void requireSafety() throws RefusedException {
        if (!unshared.isEmpty() && request.safety().isEmpty()) {
            throw new RefusedException(
                    "rollback of the guest at %s: two QEMUs cannot have %s at a time, so the guest has to end before it is known whether it comes up again: leave out --no-checkpoint"
                            .formatted(definition.qmpPath(), String.join(" and ", unshared)));
        }
    }

    private void moveAside() throws StorageException {
        for (Journal.Move move : moves) {
            try {
                Files.move(
                        Path.of(move.from()), Path.of(move.to()), StandardCopyOption.ATOMIC_MOVE);
            } catch (IOException e) {
                throw new StorageException(
                        "rollback: moving %s of the running guest aside: %s"
                                .formatted(move.from(), e),
                        e);
            }
        }
    }
}
