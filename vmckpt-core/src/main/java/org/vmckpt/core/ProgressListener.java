package org.vmckpt.core;

/** Hears how far a long operation has come. Called often, from any thread, and must be quick. */
@FunctionalInterface
public interface ProgressListener {
    /**
     * Says how far the operation is.
     *
     * @param phase what is being done, for people, for example {@code verify}
     * @param done how much is done, in {@code unit}
     * @param total how much there is, in {@code unit}; -1 when unknown
     * @param unit of both numbers, for example {@code bytes}
     */
    void update(String phase, long done, long total, String unit);

    /** Ignores every update. */
    static ProgressListener none() {
        return (phase, done, total, unit) -> {};
    }
}
