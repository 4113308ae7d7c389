package org.vmckpt.cow.restore;

import org.vmckpt.core.Manifest;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.hook.HookEvent;
import org.vmckpt.cow.hook.HookMessage;
import org.vmckpt.cow.hook.Hooks;

/** What hooks are told of one restore. */
final class RestoreHooks {
    private static final String OPERATION = "restore";

    private RestoreHooks() {}

    interface Work {
        RestoreReport run() throws VmckptException;
    }

    static RestoreReport around(RestoreRequest request, Hooks hooks, Work work)
            throws VmckptException {
        try {
            hooks.ask(message(HookEvent.PRE_RESTORE, request), () -> false);
            RestoreReport report = work.run();
            hooks.tell(
                    message(HookEvent.RESTORED, request)
                            .with("pid", (Object) report.pid())
                            .with("running", (Object) report.running()));
            return report;
        } catch (VmckptException | RuntimeException e) {
            hooks.tell(message(HookEvent.FAILED, request).withError(e));
            throw e;
        }
    }

    private static HookMessage message(HookEvent event, RestoreRequest request) {
        Manifest manifest = request.manifest();
        return HookMessage.of(event, OPERATION)
                .with("guest", manifest.guest().name())
                .with("monitor", request.qmpPath().toString())
                .with("checkpoint", manifest.id().value())
                .with("name", manifest.name())
                .with("disks", request.disksDirectory().toString())
                .with("store", request.store().directory().toString());
    }
}
