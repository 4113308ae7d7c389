package org.vmckpt.cow.hook;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.vmckpt.core.RefusedException;

/** A request whose body waits for the pause. */
record PausedCall(Webhook webhook, WebhookCall call, WebhookCall.HeldBody body)
        implements PausedHook {
    static PausedCall start(Webhook webhook, HookMessage message) {
        WebhookCall.HeldBody body = new WebhookCall.HeldBody(message);
        return new PausedCall(webhook, WebhookCall.hold(webhook, message, body), body);
    }

    @Override
    public String name() {
        return "webhook " + webhook.name();
    }

    /** One that answers or fails before it was told anything will not be told. */
    @Override
    public CompletableFuture<Boolean> ready() {
        return CompletableFuture.anyOf(body.wanted(), call.answer())
                .handle((_, _) -> body.wanted().isDone() && !call.answer().isDone());
    }

    @Override
    public void signal() {
        body.release();
    }

    @Override
    public CompletableFuture<?> done() {
        return call.answer();
    }

    @Override
    public void finish(Duration limit) throws RefusedException {
        call.await(() -> false);
    }

    @Override
    public void kill() {
        call.cancel();
    }
}
