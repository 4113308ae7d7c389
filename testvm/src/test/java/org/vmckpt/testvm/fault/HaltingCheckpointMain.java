package org.vmckpt.testvm.fault;

import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.DiskIo;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.cow.checkpoint.ProbedCheckpoint;
import org.vmckpt.cow.checkpoint.Quiesce;

/**
 * Takes a checkpoint and stands still at one point of it, to be killed there. Arguments: QMP socket
 * or {@code libvirt:NAME@URI}, store, the start of a phase's or a moment's name (no name means not
 * to halt), and optionally the engine (uffd), what becomes of pending requests (drain) and any
 * word, to quiesce. Says {@code at NAME}, {@code done ID} or {@code failed KIND: MESSAGE}.
 */
public final class HaltingCheckpointMain {
    private static final String DOMAIN = "libvirt:";

    private final String haltAt;
    private final AtomicBoolean halted = new AtomicBoolean();

    private HaltingCheckpointMain(String haltAt) {
        this.haltAt = haltAt;
    }

    public static void main(String[] arguments) throws VmckptException {
        HaltingCheckpointMain main = new HaltingCheckpointMain(arguments[2]);
        try (Store store = Store.openOrCreate(Path.of(arguments[1]))) {
            CheckpointReport report =
                    ProbedCheckpoint.take(
                            request(arguments, store),
                            (phase, done, total, unit) -> main.pass(phase),
                            main::pass);
            say("done " + report.manifest().id());
        } catch (VmckptException e) {
            say("failed " + e.getClass().getSimpleName() + ": " + e.getMessage());
        }
    }

    private static CheckpointRequest request(String[] arguments, Store store) {
        EngineName engine =
                arguments.length > 3 ? EngineName.valueOf(arguments[3]) : EngineName.UFFD;
        DiskIo diskIo = arguments.length > 4 ? DiskIo.valueOf(arguments[4]) : DiskIo.DRAIN;
        return CheckpointRequest.of(guest(arguments[0]), store)
                .withEngine(engine)
                .withDiskIo(diskIo)
                .withQuiesce(
                        arguments.length > 5
                                ? Optional.of(new Quiesce(Optional.empty()))
                                : Optional.empty());
    }

    private static GuestAddress guest(String text) {
        if (!text.startsWith(DOMAIN)) {
            return GuestAddress.of(Path.of(text));
        }
        int end = text.indexOf('@');
        return new GuestAddress.Libvirt(
                text.substring(end + 1), text.substring(DOMAIN.length(), end));
    }

    private void pass(String point) {
        if (haltAt.isEmpty() || !point.startsWith(haltAt)) {
            return;
        }
        if (halted.compareAndSet(false, true)) {
            say("at " + point);
        }
        while (true) {
            LockSupport.park();
        }
    }

    private static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }
}
