package org.vmckpt.cow.linux;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/** The scheduler's view of a platform thread of ours. */
public final class ThreadPriority {
    private static final Path OWN_THREADS = Path.of("/proc/self/task");

    private ThreadPriority() {}

    /**
     * Sets the niceness (-20 first to 19 last) of the calling thread, if we are allowed to: without
     * the privilege it can only be raised.
     */
    public static boolean trySetNicenessOfThisThread(int niceness) {
        return FfmSyscalls.INSTANCE.setpriority(Abi.PRIO_PROCESS, 0, niceness) == 0;
    }

    /** The same for threads of this process that the kernel knows by a name. */
    public static boolean trySetNicenessOfThreads(String name, int niceness) {
        return trySet(OWN_THREADS, name::equals, niceness);
    }

    /** The same for all threads of another process; those that they start later inherit it. */
    public static boolean trySetNicenessOfProcess(long pid, int niceness) {
        return trySet(Path.of("/proc/" + pid + "/task"), _ -> true, niceness);
    }

    private static boolean trySet(Path tasks, Predicate<String> names, int niceness) {
        boolean all = true;
        try {
            for (int tid : threads(tasks, names)) {
                all &= FfmSyscalls.INSTANCE.setpriority(Abi.PRIO_PROCESS, tid, niceness) == 0;
            }
        } catch (IOException endedMeanwhile) {
            return false;
        }
        return all;
    }

    /** By the names that the kernel has of them. */
    static List<Integer> threadsOfThisProcess(Predicate<String> names) {
        try {
            return threads(OWN_THREADS, names);
        } catch (IOException endedMeanwhile) {
            return List.of();
        }
    }

    private static List<Integer> threads(Path tasks, Predicate<String> names) throws IOException {
        List<Integer> found = new ArrayList<>();
        try (DirectoryStream<Path> threads = Files.newDirectoryStream(tasks)) {
            for (Path thread : threads) {
                if (names.test(Files.readString(thread.resolve("comm")).strip())) {
                    found.add(Integer.parseInt(thread.getFileName().toString()));
                }
            }
        }
        return found;
    }
}
