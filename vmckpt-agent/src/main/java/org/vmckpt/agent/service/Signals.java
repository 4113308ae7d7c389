package org.vmckpt.agent.service;

import java.lang.reflect.Proxy;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * The signals that the agent obeys. Java has no supported way to hear of SIGHUP, and for the others
 * one only that ends the process with the signal's number. {@code sun.misc.Signal} is exported by
 * the module {@code jdk.unsupported}; it is reached by reflection because the compiler's warning of
 * it cannot be switched off.
 */
final class Signals {
    private final BlockingQueue<Request> requests = new LinkedBlockingQueue<>();

    /** What a signal asks for. */
    enum Request {
        RELOAD,
        STOP
    }

    private Signals() {}

    static Signals install() {
        Signals signals = new Signals();
        signals.on("HUP", Request.RELOAD);
        signals.on("TERM", Request.STOP);
        signals.on("INT", Request.STOP);
        return signals;
    }

    private void on(String name, Request request) {
        try {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            Object ours =
                    Proxy.newProxyInstance(
                            handler.getClassLoader(),
                            new Class<?>[] {handler},
                            (proxy, method, arguments) ->
                                    method.getName().equals("handle")
                                            ? add(request)
                                            : method.getName().equals("hashCode")
                                                    ? (Object) System.identityHashCode(proxy)
                                                    : method.getName());
            signal.getMethod("handle", signal, handler)
                    .invoke(null, signal.getConstructor(String.class).newInstance(name), ours);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("this Java cannot handle signals", e);
        }
    }

    private @org.jspecify.annotations.Nullable Object add(Request request) {
        requests.add(request);
        return null;
    }

    Request await() throws InterruptedException {
        return requests.take();
    }
}
