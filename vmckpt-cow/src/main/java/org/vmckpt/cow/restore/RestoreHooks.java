package org.vmckpt.cow.restore;

import java.util.function.BiFunction;
import java.util.function.Function;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
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
        return around(
                hooks,
                event -> message(event, operation, request),
                work,
                (message, result) -> {
                    RestoreReport report = restored.apply(result);
                    return message.with("pid", (Object) report.pid())
                            .with("running", (Object) report.running());
                });
    }

    /** The same of a domain. */
    public static <R> R aroundDomain(
            String operation,
            DomainRestore.Request request,
            Hooks hooks,
            Work<R> work,
            Function<R, DomainRestore.Report> restored)
            throws VmckptException {
        return around(
                hooks,
                event -> message(event, operation, request),
                work,
                (message, result) -> {
                    DomainRestore.Report report = restored.apply(result);
                    return message.with("monitor", "libvirt:" + report.name())
                            .with("running", (Object) report.running());
                });
    }

    private static <R> R around(
            Hooks hooks,
            Function<HookEvent, HookMessage> message,
            Work<R> work,
            BiFunction<HookMessage, R, HookMessage> restored)
            throws VmckptException {
        try {
            hooks.ask(message.apply(HookEvent.PRE_RESTORE), () -> false);
            R result = work.run();
            hooks.tell(restored.apply(message.apply(HookEvent.RESTORED), result));
            return result;
        } catch (VmckptException | RuntimeException e) {
            hooks.tell(message.apply(HookEvent.FAILED).withError(e));
            throw e;
        }
    }

    private static HookMessage message(HookEvent event, String operation, RestoreRequest request) {
        return of(event, operation, request.manifest(), request.store())
                .with("monitor", request.qmpPath().toString())
                .with("disks", request.disksDirectory().toString());
    }

    private static HookMessage message(
            HookEvent event, String operation, DomainRestore.Request request) {
        return of(event, operation, request.manifest(), request.store())
                .with("disks", request.disksDirectory().toString());
    }

    private static HookMessage of(
            HookEvent event, String operation, Manifest manifest, Store store) {
        return HookMessage.of(event, operation)
                .with("guest", manifest.guest().name())
                .with("checkpoint", manifest.id().value())
                .with("name", manifest.name())
                .with("store", store.directory().toString());
    }
}
