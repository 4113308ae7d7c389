package org.vmckpt.cow.checkpoint;

import java.util.List;

/** Whether a guest allows an engine, and if not, why, and what to do about it. */
public record EngineVerdict(EngineName engine, List<Obstacle> obstacles) {
    /** What kind of thing is in the way. */
    public enum Cause {
        /** QEMU, or a device of the guest, does not give the guest's state away. */
        GUEST_STATE,
        /** How the guest's memory was given to QEMU. */
        MEMORY,
        /** Somebody else writes the guest's memory. */
        OTHER_WRITER,
        /** The host's kernel lacks something, or does not permit it. */
        HOST,
        /** It may go away by itself: try again. */
        TEMPORARY
    }

    /**
     * One reason against an engine.
     *
     * @param message what was found and what to do, for people
     */
    public record Obstacle(Cause cause, String message) {}

    public EngineVerdict {
        obstacles = List.copyOf(obstacles);
    }

    public boolean usable() {
        return obstacles.isEmpty();
    }
}
