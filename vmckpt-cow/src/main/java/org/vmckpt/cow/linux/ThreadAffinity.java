package org.vmckpt.cow.linux;

/**
 * Which processors one of our threads may run on. Where the kernel does not let us ask or choose,
 * it runs where it is put.
 */
public final class ThreadAffinity {
    // Room for 2048 processors; with more of them nothing is chosen.
    private static final int MASK_BYTES = 256;
    private static final int MASK_WORDS = MASK_BYTES / Long.BYTES;

    private final int tid;
    private final long[] allowed = new long[MASK_WORDS];
    private boolean changed;

    private ThreadAffinity(int tid) {
        this.tid = tid;
    }

    /** Of the calling thread, as it is now. */
    public static ThreadAffinity ofThisThread() {
        Syscalls syscalls = FfmSyscalls.INSTANCE;
        ThreadAffinity affinity = new ThreadAffinity((int) syscalls.gettid());
        Scratch scratch = Scratch.current();
        scratch.clear();
        if (syscalls.schedGetaffinity(affinity.tid, MASK_BYTES, scratch.address()) > 0) {
            for (int i = 0; i < MASK_WORDS; i++) {
                affinity.allowed[i] = scratch.getLong(i * Long.BYTES);
            }
        }
        return affinity;
    }

    /** The processor that the calling thread runs on; negative when unknown. */
    public static int currentProcessor() {
        Scratch scratch = Scratch.current();
        long result = FfmSyscalls.INSTANCE.getcpu(scratch.address());
        return result < 0 ? -1 : scratch.getInt(0);
    }

    /** Keeps the thread off a processor, if it may run on another one. */
    public void avoid(int processor) {
        if (processor < 0 || processor >= MASK_BYTES * Byte.SIZE) {
            return;
        }
        long[] mask = allowed.clone();
        mask[processor / Long.SIZE] &= ~(1L << processor % Long.SIZE);
        for (long word : mask) {
            if (word != 0) {
                changed = set(mask);
                return;
            }
        }
    }

    /** Lets it run wherever it could at first. */
    public void restore() {
        if (changed) {
            changed = !set(allowed);
        }
    }

    private boolean set(long[] mask) {
        Scratch scratch = Scratch.current();
        for (int i = 0; i < MASK_WORDS; i++) {
            scratch.putLong(i * Long.BYTES, mask[i]);
        }
        return FfmSyscalls.INSTANCE.schedSetaffinity(tid, MASK_BYTES, scratch.address()) == 0;
    }
}
