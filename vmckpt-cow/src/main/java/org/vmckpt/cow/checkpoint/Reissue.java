package org.vmckpt.cow.checkpoint;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.vmckpt.core.Json;
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
    private static final String STOP = "stop";

    /** After that the servers go on by themselves. */
    private static final long LIMIT_MILLIS = 10_000;

    private enum State {
        READY,
        HELD,
        OVER
    }

    private final VolumeFork volumes;
    private final Set<String> devices;
    private State state = State.READY;
    private int answered;

    private Reissue(VolumeFork volumes, Set<String> devices) {
        this.volumes = volumes;
        this.devices = devices;
    }

    /**
     * Looks whether it can be done.
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
        Set<String> devices = new HashSet<>();
        if (wanted == DiskIo.REISSUE) {
            for (GuestDisk disk : disks) {
                if (disk.volume().isPresent()) {
                    requireStop(disk, qmp);
                    devices.add(disk.device());
                }
            }
            requireEngine(devices, engine);
        }
        return new Reissue(volumes, devices);
    }

    private static void requireEngine(Set<String> devices, EngineName engine)
            throws UnsupportedException {
        if (!devices.isEmpty() && engine != EngineName.UFFD) {
            throw new UnsupportedException(
                    "checkpoint with --disk-io reissue: the engine "
                            + engine.text()
                            + " saves with a migration, which fails when a disk does; use the"
                            + " engine uffd, or --disk-io drain");
        }
    }

    private static void requireStop(GuestDisk disk, QmpClient qmp) throws VmckptException {
        for (String option : List.of("werror", "rerror")) {
            var arguments =
                    Json.MAPPER
                            .createObjectNode()
                            .put("path", pathOf(disk.device()))
                            .put("property", option);
            String value = qmp.execute("qom-get", arguments).asText();
            if (!value.equals(STOP)) {
                throw new UnsupportedException(
                        "checkpoint with --disk-io reissue: the device of disk "
                                + disk.name()
                                + " has "
                                + option
                                + "="
                                + value
                                + ", so the guest would be told of errors; start it with"
                                + " -device …,werror=stop,rerror=stop, or use --disk-io drain");
            }
        }
    }

    /** QEMU names some devices by their id alone. */
    private static String pathOf(String device) {
        return device.startsWith("/") ? device : "/machine/peripheral/" + device;
    }

    /** Disks whose requests no pause waits for, by the names that {@link GuestDisk} has. */
    Set<String> devices() {
        return devices;
    }

    boolean isWanted() {
        return !devices.isEmpty();
    }

    /** Stop was sent to a guest that ran. */
    void begin() throws VmckptException {
        if (isWanted() && state == State.READY) {
            // Also when this fails half-way there is something to end.
            state = State.HELD;
            answered = volumes.beginReissue(LIMIT_MILLIS);
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
