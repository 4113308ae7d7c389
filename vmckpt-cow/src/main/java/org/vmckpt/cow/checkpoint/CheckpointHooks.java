package org.vmckpt.cow.checkpoint;

import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.Manifest.GuestDefinition;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.hook.HookEvent;
import org.vmckpt.cow.hook.HookMessage;
import org.vmckpt.cow.hook.Hooks;
import org.vmckpt.cow.hook.PausedHooks;

/**
 * What hooks are told of one checkpoint. Those that are only told run beside the checkpoint, one
 * after another; {@link #close} waits for them.
 */
final class CheckpointHooks implements PauseProbe, AutoCloseable {
    private static final String OPERATION = "checkpoint";

    private final Hooks hooks;
    private final CheckpointRequest request;
    private final CheckpointId id;
    private final Optional<String> series;
    private final PauseProbe probe;
    private final ExecutorService beside =
            Executors.newSingleThreadExecutor(Thread.ofVirtual().name("hooks").factory());
    private Optional<String> guest = Optional.empty();
    private PausedHooks paused = PausedHooks.NONE;
    private Moment lastInPause = Moment.ARMED;
    private boolean pauseEnded;

    /**
     * Hooks of a checkpoint that has not begun.
     *
     * @param probe is told the same of the pause, after hooks
     */
    CheckpointHooks(
            CheckpointRequest request, CheckpointId id, Optional<String> series, PauseProbe probe) {
        this.hooks = request.hooks();
        this.request = request;
        this.id = id;
        this.series = series;
        this.probe = probe;
    }

    /** A guest that cannot be reached is a checkpoint that failed, too. */
    static GuestSession openGuest(CheckpointRequest request) throws VmckptException {
        try {
            return GuestSession.open(request.guest());
        } catch (VmckptException e) {
            if (!request.hooks().areNone()) {
                request.hooks().tell(message(HookEvent.FAILED, request).withError(e));
            }
            throw e;
        }
    }

    /** Nothing has been done to the guest: the last moment to forbid it. */
    void ask(GuestDefinition definition, Cancellation cancellation) throws VmckptException {
        guest = Optional.of(definition.name());
        if (!hooks.areNone()) {
            hooks.ask(message(HookEvent.PRE_CHECKPOINT), cancellation::isRequested);
            cancellation.check();
        }
    }

    /**
     * Has those who wait for the pause ready.
     *
     * @param qemuResumes whether QEMU lets the guest go on by itself when its disks are forked
     */
    void beforePause(boolean qemuResumes) {
        if (!hooks.areNone()) {
            lastInPause = qemuResumes ? Moment.FORKED : Moment.ARMED;
            paused = hooks.beforePause(message(HookEvent.PAUSED));
        }
    }

    @Override
    public void reached(Moment moment) {
        if (moment == Moment.STOPPED) {
            paused.signal();
        }
        if (moment == lastInPause) {
            paused.awaitDone();
            pauseEnded = true;
        }
        if (moment == Moment.RESUMED && !hooks.areNone()) {
            beside.execute(paused::finish);
            beside.execute(() -> hooks.tell(message(HookEvent.RESUMED)));
        }
        probe.reached(moment);
    }

    void durable(Manifest manifest) {
        if (hooks.areNone()) {
            return;
        }
        HookMessage message = message(HookEvent.DURABLE).with("engine", manifest.engine());
        for (String name : new String[] {"pauseMicros", "copyWindowMicros", "storedBytes"}) {
            message = message.with(name, Optional.ofNullable(manifest.statistics().get(name)));
        }
        HookMessage complete = message;
        beside.execute(() -> hooks.tell(complete));
    }

    /** It has been taken back. */
    void failed(Exception error) {
        if (!hooks.areNone()) {
            HookMessage message = message(HookEvent.FAILED).withError(error);
            beside.execute(() -> hooks.tell(message));
        }
    }

    private HookMessage message(HookEvent event) {
        return message(event, request)
                .with("guest", guest)
                .with("checkpoint", id.value())
                .with("series", series);
    }

    private static HookMessage message(HookEvent event, CheckpointRequest request) {
        return HookMessage.of(event, OPERATION)
                .with("monitor", monitor(request.guest()))
                .with("name", request.name())
                .with("store", request.store().directory().toString());
    }

    @Override
    public void close() {
        if (!hooks.areNone()) {
            beside.execute(pauseEnded ? paused::finish : paused::close);
        }
        beside.close();
    }

    /** A path, as it was before there were domains, or {@code libvirt:} and a name or UUID. */
    private static String monitor(GuestAddress guest) {
        return switch (guest) {
            case GuestAddress.Qmp(Path socket) -> socket.toAbsolutePath().toString();
            case GuestAddress.Libvirt domain -> domain.toString();
        };
    }
}
