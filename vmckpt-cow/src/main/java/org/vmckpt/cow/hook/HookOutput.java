package org.vmckpt.cow.hook;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;

/**
 * What a hook prints, read as it comes so that the hook never waits, and kept up to a bound. A hook
 * that leaves a child behind may leave this open, so its end is not waited for.
 */
final class HookOutput {
    static final int KEPT_BYTES = 8 << 10;
    private static final int LINE_BYTES = 64;
    private static final int CHUNK_BYTES = 4 << 10;

    private final ByteArrayOutputStream kept = new ByteArrayOutputStream();
    private final StringBuilder line = new StringBuilder();
    private final CompletableFuture<Boolean> ready = new CompletableFuture<>();
    private final CompletableFuture<Boolean> done = new CompletableFuture<>();
    private final Thread reader;
    private boolean cut;

    private HookOutput(InputStream stream, String name) {
        reader = Thread.ofPlatform().daemon().name("hook-" + name).unstarted(() -> read(stream));
    }

    static HookOutput read(InputStream stream, String name) {
        HookOutput output = new HookOutput(stream, name);
        output.reader.start();
        return output;
    }

    private void read(InputStream stream) {
        byte[] chunk = new byte[CHUNK_BYTES];
        try (stream) {
            for (int count = stream.read(chunk); count >= 0; count = stream.read(chunk)) {
                take(chunk, count);
            }
        } catch (IOException e) {
            // The hook was killed.
        }
        ready.complete(false);
        done.complete(false);
    }

    private synchronized void take(byte[] chunk, int count) {
        int room = Math.min(count, KEPT_BYTES - kept.size());
        kept.write(chunk, 0, room);
        cut |= room < count;
        for (int i = 0; i < count; i++) {
            if (chunk[i] == '\n') {
                hear(line.toString());
                line.setLength(0);
            } else if (line.length() < LINE_BYTES) {
                line.append((char) chunk[i]);
            }
        }
    }

    private void hear(String said) {
        if (said.equals(PausedHook.READY)) {
            ready.complete(true);
        } else if (said.equals(PausedHook.DONE)) {
            done.complete(true);
        }
    }

    /** True when the hook has said so, false when it can say nothing any more. */
    CompletableFuture<Boolean> ready() {
        return ready;
    }

    CompletableFuture<Boolean> done() {
        return done;
    }

    /** All of it, if the stream ends within so long. */
    String awaitText(long millis) {
        try {
            reader.join(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return text();
    }

    /** On one line, without control characters: it goes into a log. */
    private synchronized String text() {
        String text = kept.toString(StandardCharsets.UTF_8).strip();
        return Printable.oneLine(text) + (cut ? " (and more)" : "");
    }
}
