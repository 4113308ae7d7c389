package org.vmckpt.cow.linux;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Predicate;

/** The scheduler's view of a platform thread of ours. */
public final class ThreadPriority {
    private static final Path OWN_THREADS = Path.of("/proc/self/task");

    private static final int GROUP_ATTEMPTS = 8;
    private static final long GROUP_RETRY_NANOS = 50_000_000L;

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

    /** The same for all threads of a process; those that they start later inherit it. */
    public static boolean trySetNicenessOfProcess(long pid, int niceness) {
        return trySet(Path.of("/proc/" + pid + "/task"), _ -> true, niceness);
    }

    /**
     * The same for a process that leads a session and is alone in it. Where control groups do not,
     * Linux shares the processors out to sessions first, and niceness counts only within one
     * (autogroups, sched(7)).
     */
    public static boolean trySetNicenessOfSession(long leader, int niceness) {
        boolean threads = trySetNicenessOfProcess(leader, niceness);
        boolean group = trySetAutogroup(leader, niceness);
        return threads && group;
    }

    private static boolean trySetAutogroup(long leader, int niceness) {
        Path group = Path.of("/proc/" + leader + "/autogroup");
        ByteBuffer text = ByteBuffer.wrap(Integer.toString(niceness).getBytes(US_ASCII));
        try (SeekableByteChannel file = Files.newByteChannel(group, StandardOpenOption.WRITE)) {
            // Without CAP_SYS_ADMIN the kernel takes one change in a tenth of a second, of all
            // processes together, and refuses others with EAGAIN.
            for (int attempt = 0; attempt < GROUP_ATTEMPTS && file.write(text) == 0; attempt++) {
                LockSupport.parkNanos(GROUP_RETRY_NANOS);
            }
            return !text.hasRemaining();
        } catch (NoSuchFileException aKernelWithoutThem) {
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    private static boolean trySet(Path tasks, Predicate<String> names, int niceness) {
        boolean all = true;
        try {
            for (int tid : threads(tasks, names)) {
                long result = FfmSyscalls.INSTANCE.setpriority(Abi.PRIO_PROCESS, tid, niceness);
                all &= result == 0 || result == -Errno.ESRCH;
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
                if (isNamed(thread, names)) {
                    found.add(Integer.parseInt(thread.getFileName().toString()));
                }
            }
        } catch (DirectoryIteratorException e) {
            throw e.getCause();
        }
        return found;
    }

    private static boolean isNamed(Path thread, Predicate<String> names) {
        try {
            return names.test(Files.readString(thread.resolve("comm")).strip());
        } catch (IOException endedMeanwhile) {
            return false;
        }
    }
}
