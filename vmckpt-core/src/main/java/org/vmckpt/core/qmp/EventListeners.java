package org.vmckpt.core.qmp;

import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.VmckptException;

/** Who is told of the events of one connection, and who waits for one of them. */
final class EventListeners {
    private final List<Consumer<QmpEvent>> listeners = new CopyOnWriteArrayList<>();
    private final Map<Consumer<QmpEvent>, CompletableFuture<QmpEvent>> waiters =
            new ConcurrentHashMap<>();
    private volatile @Nullable VmckptException broken;

    AutoCloseable subscribe(Consumer<QmpEvent> listener) {
        listeners.add(listener);
        return () -> listeners.remove(listener);
    }

    EventWaiter waitFor(String description, Predicate<QmpEvent> wanted) {
        CompletableFuture<QmpEvent> first = new CompletableFuture<>();
        Consumer<QmpEvent> listener =
                event -> {
                    if (wanted.test(event)) {
                        first.complete(event);
                    }
                };
        waiters.put(listener, first);
        listeners.add(listener);
        VmckptException cause = broken;
        if (cause != null) {
            first.completeExceptionally(cause);
        }
        return new EventWaiter(
                description,
                first,
                () -> {
                    listeners.remove(listener);
                    waiters.remove(listener);
                });
    }

    /** Tells everybody, on the caller's thread. */
    void happened(QmpEvent event) {
        listeners.forEach(listener -> listener.accept(event));
    }

    /** No event comes any more: nobody waits in vain. */
    void breakDown(VmckptException cause) {
        broken = cause;
        waiters.values().forEach(waiter -> waiter.completeExceptionally(cause));
    }
}
