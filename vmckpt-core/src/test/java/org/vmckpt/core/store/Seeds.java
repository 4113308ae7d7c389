package org.vmckpt.core.store;

import java.util.Random;

/**
 * Runs a property with random numbers, which are others each time. A failure names the seed, and
 * -Dvmckpt.seed=SEED repeats it alone.
 */
final class Seeds {
    private static final String PROPERTY = "vmckpt.seed";

    private Seeds() {}

    interface Trial {
        void run(Random random) throws Exception;
    }

    static void forEach(int tries, Trial trial) {
        Long fixed = Long.getLong(PROPERTY);
        if (fixed != null) {
            run(fixed, trial);
            return;
        }
        Random seeds = new Random();
        for (int i = 0; i < tries; i++) {
            run(seeds.nextLong(), trial);
        }
    }

    private static void run(long seed, Trial trial) {
        try {
            trial.run(new Random(seed));
        } catch (Exception | AssertionError e) {
            throw new AssertionError("with -D" + PROPERTY + "=" + seed + ": " + e.getMessage(), e);
        }
    }

    /** A number of least to most; each end comes more often than those between. */
    static int pick(Random random, int least, int most) {
        return switch (random.nextInt(10)) {
            case 0 -> least;
            case 1 -> most;
            default -> random.nextInt(least, most + 1);
        };
    }
}
