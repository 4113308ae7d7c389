package org.vmckpt.cow.checkpoint;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.disk.GuestDisk;

/**
 * QEMU's side of {@code --disk-io reissue}, rules R1 and R3: the pause does not wait for pending
 * requests of volumes.
 *
 * <pre>
 *             begin: the guest ran, stop was sent       end: devices are saved, or failure
 *   READY ──────────────────────────────────────▶ HELD ─────────────────────────────────▶ OVER
 *     └── end: the guest stood, or failure ──────────────────────────────────────────────▶ OVER
 * </pre>
 *
 * <dl>
 *   <dt>READY
 *   <dd>Requests are served. A guest that stands still because of a real error ({@code io-error})
 *       is refused here and left as it was: QEMU has said that the guest ran before anything is
 *       answered with EIO.
 *   <dt>HELD
 *   <dd>The servers answer all requests with EIO. With {@code werror=stop,rerror=stop} QEMU tells
 *       the guest nothing and keeps them for a retry, so {@code stop} has nothing to wait for, and
 *       they are saved with the devices (R1, R3). If the first EIO overtakes the stop, the guest's
 *       status is {@code io-error} instead of {@code paused}: the same to everything that follows.
 *       The flushes that QEMU sends by itself, with {@code stop} and when it saves, fail too. It
 *       does not mind, but for a migration, which is why only the uffd engine can do this; and it
 *       remembers that the disk is not flushed, so that the guest's next flush is a real one.
 *   <dt>OVER
 *   <dd>Requests are served again: always before {@code cont}, which makes QEMU issue what it kept,
 *       as every restored guest will.
 * </dl>
 *
 * <p>A request that was answered may still write into the frozen layer, where it is what both
 * guests write again; the volume keeps what comes later from getting below it (R5).
 */
final class Reissue {
    /** After that the servers go on by themselves. */
    private static final long LIMIT_MILLIS = 10_000;

    private enum State {
        READY,
        HELD,
        OVER
    }

    private final VolumeFork volumes;
    private final List<GuestDisk> disks;
    private final List<String> warnings;
    private State state = State.READY;
    private int answered;

    private Reissue(VolumeFork volumes, List<GuestDisk> disks, List<String> warnings) {
        this.volumes = volumes;
        this.disks = List.copyOf(disks);
        this.warnings = List.copyOf(warnings);
    }

    /**
     * Looks for which volumes it can be done.
     *
     * @throws UnsupportedException if it was asked for and a volume's device would tell the guest
     *     of an error, or the engine cannot save then
     */
    static Reissue prepare(
            DiskIo wanted,
            VolumeFork volumes,
            List<GuestDisk> disks,
            EngineName engine,
            QmpClient qmp)
            throws VmckptException {
        List<GuestDisk> served = disks.stream().filter(it -> it.volume().isPresent()).toList();
        List<GuestDisk> chosen = new ArrayList<>();
        List<String> warnings = new ArrayList<>();
        if (mayBeDone(wanted, served, engine)) {
            ErrorActions actions = ErrorActions.query(qmp);
            for (GuestDisk disk : served) {
                Optional<String> obstacle = actions.obstacle(disk);
                if (obstacle.isEmpty()) {
                    chosen.add(disk);
                } else if (wanted == DiskIo.REISSUE) {
                    throw tellsTheGuest(disk, obstacle.get());
                } else {
                    warnings.add(isDrained(disk, obstacle.get()));
                }
            }
        }
        return new Reissue(volumes, chosen, warnings);
    }

    private static boolean mayBeDone(DiskIo wanted, List<GuestDisk> volumes, EngineName engine)
            throws UnsupportedException {
        boolean can = engine == EngineName.UFFD;
        return !volumes.isEmpty()
                && switch (wanted) {
                    case DRAIN -> false;
                    case AUTO -> can;
                    case REISSUE -> {
                        if (!can) {
                            throw wrongEngine(engine);
                        }
                        yield true;
                    }
                };
    }

    private static UnsupportedException wrongEngine(EngineName engine) {
        return new UnsupportedException(
                "checkpoint with --disk-io reissue: the engine "
                        + engine.text()
                        + " saves with a migration, which fails when a disk does; use the"
                        + " engine uffd, or --disk-io drain");
    }

    private static UnsupportedException tellsTheGuest(GuestDisk disk, String obstacle) {
        return new UnsupportedException(
                "checkpoint with --disk-io reissue: the device of disk "
                        + disk.name()
                        + " has "
                        + obstacle
                        + ", so the guest would be told of errors; start it with"
                        + " -device …,werror=stop,rerror=stop, or use --disk-io drain");
    }

    private static String isDrained(GuestDisk disk, String obstacle) {
        return "disk "
                + disk.name()
                + ": the pause waits for its pending requests, since its device has "
                + obstacle
                + "; with -device …,werror=stop,rerror=stop they would be issued again instead";
    }

    /** Disks whose requests no pause waits for, by the names that {@link GuestDisk} has. */
    Set<String> devices() {
        return disks.stream().map(GuestDisk::device).collect(Collectors.toSet());
    }

    /** For people: which volumes' requests the pause waits for nevertheless, and why. */
    List<String> warnings() {
        return warnings;
    }

    boolean isWanted() {
        return !disks.isEmpty();
    }

    /** Stop was sent to a guest that ran. */
    void begin() throws VmckptException {
        if (isWanted() && state == State.READY) {
            // Also when this fails half-way there is something to end.
            state = State.HELD;
            answered = volumes.beginReissue(disks, LIMIT_MILLIS);
        }
    }

    /** Before the guest goes on, whatever happened. */
    void end() throws VmckptException {
        if (state == State.HELD) {
            volumes.endReissue();
        }
        state = State.OVER;
    }

    /** How many requests were under way and will be issued again. */
    int answered() {
        return answered;
    }
}
