package org.vmckpt.cow.restore;

import java.util.function.Function;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.hook.HookEvent;
import org.vmckpt.cow.hook.HookMessage;
import org.vmckpt.cow.hook.Hooks;

/** What hooks are told of a checkpoint that is brought back. */
public final class RestoreHooks {
    private RestoreHooks() {}

    /** Brings it back. */
    public interface Work<R> {
        R run() throws VmckptException;
    }

    /**
     * Asks hooks, works, and tells them what became of it.
     *
     * @param operation what the work is called in messages
     * @param restored the guest that is there after the work
     */
    public static <R> R around(
            String operation,
            RestoreRequest request,
            Hooks hooks,
            Work<R> work,
            Function<R, RestoreReport> restored)
            throws VmckptException {
        try {
            hooks.ask(message(HookEvent.PRE_RESTORE, operation, request), () -> false);
            R result = work.run();
            RestoreReport report = restored.apply(result);
            hooks.tell(
                    message(HookEvent.RESTORED, operation, request)
                            .with("pid", (Object) report.pid())
                            .with("running", (Object) report.running()));
            return result;
        } catch (VmckptException | RuntimeException e) {
            hooks.tell(message(HookEvent.FAILED, operation, request).withError(e));
            throw e;
        }
    }

    private static HookMessage message(HookEvent event, String operation, RestoreRequest request) {
        Manifest manifest = request.manifest();
        return HookMessage.of(event, operation)
                .with("guest", manifest.guest().name())
                .with("monitor", request.qmpPath().toString())
                .with("checkpoint", manifest.id().value())
                .with("name", manifest.name())
                .with("disks", request.disksDirectory().toString())
                .with("store", request.store().directory().toString());
    }
}
