package org.vmckpt.cow.hook;

import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import org.vmckpt.core.RefusedException;

/** One POST, of which nothing takes longer than its limits: not even an endless answer. */
final class WebhookCall {
    private static final long NAP_MILLIS = 20;
    private static final int FIRST_SUCCESS = 200;
    private static final int FIRST_AFTER = 300;

    private final Webhook webhook;
    private final CompletableFuture<HttpResponse<Void>> answer;

    private WebhookCall(Webhook webhook, HookMessage message, BodyPublisher body) {
        this.webhook = webhook;
        // Redirects are not followed: a message goes where the operator said.
        HttpClient client =
                HttpClient.newBuilder()
                        .version(HttpClient.Version.HTTP_1_1)
                        .followRedirects(HttpClient.Redirect.NEVER)
                        .connectTimeout(webhook.connectLimit())
                        .build();
        HttpRequest request =
                HttpRequest.newBuilder(webhook.url())
                        .header("Content-Type", "application/json")
                        .header("User-Agent", "vmckpt")
                        .header("X-Vmckpt-Event", message.event().text())
                        .POST(body)
                        .build();
        this.answer = client.sendAsync(request, HttpResponse.BodyHandlers.discarding());
    }

    static WebhookCall post(Webhook webhook, HookMessage message) {
        return new WebhookCall(webhook, message, BodyPublishers.ofByteArray(bytes(message)));
    }

    /** Connects and sends the header; the body follows when the message is released. */
    static WebhookCall hold(Webhook webhook, HookMessage message, HeldBody body) {
        return new WebhookCall(
                webhook, message, BodyPublishers.fromPublisher(body, bytes(message).length));
    }

    private static byte[] bytes(HookMessage message) {
        return message.json().getBytes(StandardCharsets.UTF_8);
    }

    CompletableFuture<HttpResponse<Void>> answer() {
        return answer;
    }

    void cancel() {
        answer.cancel(true);
    }

    /** RefusedException when there is no answer in time, or one that is not 2xx. */
    void await(BooleanSupplier unwanted) throws RefusedException {
        long deadline = System.nanoTime() + webhook.limit().toNanos();
        while (true) {
            try {
                int status = answer.get(NAP_MILLIS, TimeUnit.MILLISECONDS).statusCode();
                if (status < FIRST_SUCCESS || status >= FIRST_AFTER) {
                    throw failure("answered with status " + status);
                }
                return;
            } catch (TimeoutException e) {
                if (unwanted.getAsBoolean()) {
                    cancel();
                    throw failure("was not waited for: the work that it belongs to was cancelled");
                }
                if (System.nanoTime() > deadline) {
                    cancel();
                    throw failure("did not answer within " + shown(webhook.limit()));
                }
            } catch (ExecutionException e) {
                throw failure("could not be told: " + e.getCause());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                cancel();
                throw failure("was not waited for: interrupted");
            }
        }
    }

    private static String shown(Duration limit) {
        return limit.toMillis() + " ms";
    }

    private RefusedException failure(String how) {
        return new RefusedException(
                "webhook " + webhook.name() + " (" + webhook.url() + ") " + Printable.oneLine(how));
    }

    /** A body that is sent when somebody says so. */
    static final class HeldBody implements Flow.Publisher<ByteBuffer> {
        private final HookMessage message;
        private final CompletableFuture<Flow.Subscriber<? super ByteBuffer>> wanted =
                new CompletableFuture<>();
        private final AtomicBoolean sent = new AtomicBoolean();

        HeldBody(HookMessage message) {
            this.message = message;
        }

        @Override
        public void subscribe(Flow.Subscriber<? super ByteBuffer> subscriber) {
            subscriber.onSubscribe(
                    new Flow.Subscription() {
                        @Override
                        public void request(long count) {
                            // The connection stands, and the header is sent.
                            wanted.complete(subscriber);
                        }

                        @Override
                        public void cancel() {
                            sent.set(true);
                        }
                    });
        }

        /** Done when the body could be sent. */
        CompletableFuture<?> wanted() {
            return wanted;
        }

        /** Sends it elsewhere: whoever releases it has no time. */
        void release() {
            if (wanted.isDone() && sent.compareAndSet(false, true)) {
                Thread.startVirtualThread(() -> {
                    Flow.Subscriber<? super ByteBuffer> subscriber = wanted.join();
                    subscriber.onNext(ByteBuffer.wrap(bytes(message)));
                    subscriber.onComplete();
                });
            }
        }
    }
}
