package org.vmckpt.cow.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.checkpoint.EngineVerdict.Cause;
import org.vmckpt.cow.checkpoint.EngineVerdict.Obstacle;
import org.vmckpt.cow.memory.GuestMemory;
import org.vmckpt.cow.memory.RamRegion;
import org.vmckpt.cow.memory.UffdAttachment;

/**
 * Which engine saves a guest's memory, and why.
 *
 * @param asked whether a user named it; else it is the first that the guest allows
 * @param verdicts on the engines that were looked at, best first; none when uffd was asked for
 */
public record EngineChoice(EngineName chosen, boolean asked, List<EngineVerdict> verdicts) {

    public EngineChoice {
        verdicts = List.copyOf(verdicts);
    }

    /** Looks at every engine. The guest is not disturbed. */
    public static List<EngineVerdict> assess(long pid, QmpClient qmp) throws VmckptException {
        GuestStatus status = GuestStatus.query(qmp);
        List<EngineVerdict> verdicts = new ArrayList<>();
        for (EngineName engine : EngineName.values()) {
            verdicts.add(assess(engine, pid, qmp, status));
        }
        return verdicts;
    }

    /**
     * Chooses one.
     *
     * @throws UnsupportedException when the guest allows none, or not the one that was asked for
     */
    static EngineChoice choose(
            long pid, QmpClient qmp, GuestStatus status, Optional<EngineName> asked)
            throws VmckptException {
        if (asked.filter(engine -> engine == EngineName.UFFD).isPresent()) {
            // Its preparation finds every obstacle itself, and names it.
            return new EngineChoice(EngineName.UFFD, true, List.of());
        }
        List<EngineVerdict> verdicts = new ArrayList<>();
        for (EngineName engine : asked.map(List::of).orElse(List.of(EngineName.values()))) {
            EngineVerdict verdict = assess(engine, pid, qmp, status);
            verdicts.add(verdict);
            if (verdict.usable()) {
                return new EngineChoice(engine, asked.isPresent(), verdicts);
            }
        }
        throw new UnsupportedException(
                "checkpoint over "
                        + qmp.socketPath()
                        + ": "
                        + verdicts.stream()
                                .map(EngineChoice::describe)
                                .collect(Collectors.joining("; ")));
    }

    /** Why an engine that comes first was not taken; empty when nothing was passed over. */
    public List<String> reasons() {
        return verdicts.stream()
                .filter(verdict -> !verdict.usable())
                .map(EngineChoice::describe)
                .toList();
    }

    private static String describe(EngineVerdict verdict) {
        return "engine "
                + verdict.engine().text()
                + " cannot be used: "
                + verdict.obstacles().stream()
                        .map(Obstacle::message)
                        .collect(Collectors.joining("; "));
    }

    private static EngineVerdict assess(
            EngineName engine, long pid, QmpClient qmp, GuestStatus status) throws VmckptException {
        List<Obstacle> obstacles = new ArrayList<>(migrationBlockers(qmp));
        tryOne(
                obstacles,
                Cause.MEMORY,
                Cause.TEMPORARY,
                () -> MemoryBackend.requireOthersFit(pid, qmp));
        switch (engine) {
            case UFFD -> tryUffd(obstacles, pid, qmp);
            case BACKGROUND -> tryBackground(obstacles, pid, qmp, status);
            case PAUSE -> {}
        }
        return new EngineVerdict(engine, obstacles);
    }

    private static void tryUffd(List<Obstacle> obstacles, long pid, QmpClient qmp)
            throws VmckptException {
        List<RamRegion> memory = new ArrayList<>();
        tryOne(
                obstacles,
                Cause.MEMORY,
                Cause.OTHER_WRITER,
                () -> memory.addAll(TrackedMemory.inspect(pid, qmp)));
        if (!memory.isEmpty()) {
            tryOne(
                    obstacles,
                    Cause.HOST,
                    Cause.TEMPORARY,
                    () -> UffdAttachment.attach(pid, memory).close());
        }
    }

    private static void tryBackground(
            List<Obstacle> obstacles, long pid, QmpClient qmp, GuestStatus status)
            throws VmckptException {
        if (status == GuestStatus.STOPPED) {
            obstacles.add(
                    new Obstacle(
                            Cause.GUEST_STATE,
                            "the guest is stopped, and QEMU's background snapshot would start it:"
                                    + " send cont, or use the pause engine"));
        }
        tryOne(
                obstacles,
                Cause.MEMORY,
                Cause.OTHER_WRITER,
                () -> GuestMemory.refuseOtherWriters(pid, qmp));
        tryOne(
                obstacles,
                Cause.GUEST_STATE,
                Cause.TEMPORARY,
                () -> obstacles.addAll(snapshotObstacles(pid, qmp)));
    }

    private interface Attempt {
        void run() throws VmckptException;
    }

    /** What is wrong with this guest is an obstacle; a lost connection is an error. */
    private static void tryOne(
            List<Obstacle> obstacles, Cause unsupported, Cause refused, Attempt attempt)
            throws VmckptException {
        try {
            attempt.run();
        } catch (UnsupportedException e) {
            obstacles.add(new Obstacle(unsupported, String.valueOf(e.getMessage())));
        } catch (RefusedException e) {
            obstacles.add(new Obstacle(refused, String.valueOf(e.getMessage())));
        }
    }

    /** Devices and settings with which QEMU does not write its state at all. */
    private static List<Obstacle> migrationBlockers(QmpClient qmp) throws VmckptException {
        List<Obstacle> obstacles = new ArrayList<>();
        for (JsonNode reason : qmp.execute("query-migrate").path("blocked-reasons")) {
            obstacles.add(
                    new Obstacle(
                            Cause.GUEST_STATE,
                            "QEMU does not give the guest's state away: "
                                    + reason.asText()
                                    + "; remove the device or setting that it names"));
        }
        return obstacles;
    }

    /** QEMU looks at kernel and memory itself when the capability is switched on. */
    private static List<Obstacle> snapshotObstacles(long pid, QmpClient qmp)
            throws VmckptException {
        try (QemuPermission _ = QemuPermission.forUserfaultfd(pid)) {
            MigrationSetup.apply(qmp, EngineName.BACKGROUND).undo();
            return List.of();
        } catch (ProtocolException e) {
            return List.of(snapshotObstacle(String.valueOf(e.getMessage())));
        }
    }

    private static Obstacle snapshotObstacle(String answer) {
        if (answer.contains("guest memory configuration")) {
            return new Obstacle(
                    Cause.MEMORY,
                    answer
                            + ": the guest has memory that the kernel cannot write-protect, for"
                            + " example from a file on a disk; start it with plain -m, or with"
                            + " memory-backend-memfd");
        }
        return new Obstacle(
                Cause.HOST,
                answer
                        + ": QEMU itself needs userfaultfd; run it as root or set sysctl"
                        + " vm.unprivileged_userfaultfd=1, with Linux 5.7 or later");
    }
}
