package org.vmckpt.cow.hook;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * Which hooks there are.
 *
 * @param folder of executables; empty for none
 * @param folderRequired whether it is an error when the folder is missing
 * @param limit for one executable, from its start to its end
 * @param pauseLimit how long a guest stands still for paused hooks, counted from its stop
 */
public record HookSettings(
        Optional<Path> folder,
        boolean folderRequired,
        List<Webhook> webhooks,
        Duration limit,
        Duration pauseLimit) {
    public static final Path DEFAULT_FOLDER = Path.of("/etc/vmckpt/hooks.d");
    public static final Duration DEFAULT_LIMIT = Duration.ofSeconds(30);
    public static final Duration DEFAULT_PAUSE_LIMIT = Duration.ofMillis(10);

    /** Longer than this is no pause of a live checkpoint any more. */
    public static final Duration LONGEST_PAUSE = Duration.ofSeconds(1);

    /** Nobody is told anything. */
    public static final HookSettings NONE =
            new HookSettings(
                    Optional.empty(), false, List.of(), DEFAULT_LIMIT, DEFAULT_PAUSE_LIMIT);

    public HookSettings {
        webhooks = List.copyOf(webhooks);
        if (pauseLimit.compareTo(LONGEST_PAUSE) > 0) {
            throw new IllegalArgumentException("pause limit " + pauseLimit);
        }
    }

    public HookSettings withFolder(Path other) {
        return new HookSettings(Optional.of(other), true, webhooks, limit, pauseLimit);
    }

    public HookSettings withWebhook(Webhook other) {
        return new HookSettings(folder, folderRequired, List.of(other), limit, pauseLimit);
    }

    public HookSettings withLimits(Duration forOne, Duration inThePause) {
        return new HookSettings(folder, folderRequired, webhooks, forOne, inThePause);
    }
}
