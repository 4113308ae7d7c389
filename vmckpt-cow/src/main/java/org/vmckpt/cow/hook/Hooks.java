package org.vmckpt.cow.hook;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.VmckptException;

/** Runs what the settings name: executables in the order of their names, then webhooks. */
public final class Hooks {
    public static final Hooks NONE = new Hooks(HookSettings.NONE);

    /** Of the hooks folder; what lies there runs at no other event. */
    static final String PAUSED_FOLDER = "paused";

    private static final Logger LOG = LoggerFactory.getLogger(Hooks.class);

    private final HookSettings settings;
    private final Map<String, String> everywhere;

    public Hooks(HookSettings settings) {
        this(settings, Map.of());
    }

    /** The same hooks; each message has these fields too. */
    public Hooks(HookSettings settings, Map<String, String> everywhere) {
        this.settings = settings;
        this.everywhere = Map.copyOf(everywhere);
    }

    /** The same hooks; each message has this field too. */
    public Hooks with(String field, String value) {
        Map<String, String> more = new LinkedHashMap<>(everywhere);
        more.put(field, value);
        return new Hooks(settings, more);
    }

    private HookMessage complete(HookMessage message) {
        HookMessage complete = message;
        for (Map.Entry<String, String> field : everywhere.entrySet()) {
            complete = complete.with(field.getKey(), field.getValue());
        }
        return complete;
    }

    public boolean areNone() {
        return settings.folder().isEmpty() && settings.webhooks().isEmpty();
    }

    /**
     * Asks pre-hooks, one after another; the first that refuses ends it.
     *
     * @param unwanted whether the work has been cancelled meanwhile
     * @throws VmckptException what the hook said, or which limit it passed
     */
    public void ask(HookMessage question, BooleanSupplier unwanted) throws VmckptException {
        HookMessage message = complete(question);
        for (Path file : executables()) {
            run(file, message, unwanted);
        }
        // Now, not in the pause, is the time to say that one of these is unsafe.
        pausedExecutables();
        for (Webhook webhook : webhooks(message.event())) {
            WebhookCall.post(webhook, message).await(unwanted);
        }
    }

    /** Tells all of something that has happened; what goes wrong is logged. */
    public void tell(HookMessage news) {
        HookMessage message = complete(news);
        try {
            for (Path file : executables()) {
                quietly(message, () -> run(file, message, () -> false));
            }
        } catch (VmckptException e) {
            LOG.warn("at {}: {}", message.event().text(), e.getMessage());
        }
        for (Webhook webhook : webhooks(message.event())) {
            quietly(message, () -> WebhookCall.post(webhook, message).await(() -> false));
        }
    }

    /** Starts those who want to hear of the pause; returns when they wait for it. */
    public PausedHooks beforePause(HookMessage news) {
        HookMessage message = complete(news);
        List<PausedHook> started = new ArrayList<>();
        quietly(
                message,
                () -> {
                    for (Path file : pausedExecutables()) {
                        HookProcess process = HookProcess.start(file, message);
                        process.tell(message.json());
                        started.add(new PausedProcess(process));
                    }
                });
        for (Webhook webhook : webhooks(HookEvent.PAUSED)) {
            started.add(PausedCall.start(webhook, message));
        }
        return started.isEmpty()
                ? PausedHooks.NONE
                : PausedHooks.awaitReady(started, settings.limit(), settings.pauseLimit());
    }

    private interface Step {
        void run() throws VmckptException;
    }

    private static void quietly(HookMessage message, Step step) {
        try {
            step.run();
        } catch (VmckptException e) {
            LOG.warn("at {}: {}", message.event().text(), e.getMessage());
        }
    }

    private void run(Path file, HookMessage message, BooleanSupplier unwanted)
            throws VmckptException {
        HookProcess process = HookProcess.start(file, message);
        process.tell(message.json());
        process.endInput();
        String printed = process.await(settings.limit(), unwanted);
        if (!printed.isEmpty()) {
            LOG.info("hook {} at {} printed: {}", file, message.event().text(), printed);
        }
    }

    private List<Path> executables() throws VmckptException {
        return settings.folder().isEmpty()
                ? List.of()
                : HookFolder.executables(settings.folder().get(), settings.folderRequired());
    }

    private List<Path> pausedExecutables() throws VmckptException {
        if (settings.folder().isEmpty() || !Files.isDirectory(settings.folder().get())) {
            return List.of();
        }
        return HookFolder.executables(settings.folder().get().resolve(PAUSED_FOLDER), false);
    }

    private List<Webhook> webhooks(HookEvent event) {
        return settings.webhooks().stream()
                .filter(webhook -> webhook.events().contains(event))
                .toList();
    }
}
