package org.vmckpt.cow.linux;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;

/**
 * Which thread of a process to trace: its main thread, unless the process is our own child.
 *
 * <p>The JVM waits for the main thread of every child that it started, and takes a trace stop for
 * the child's end. For a child we trace another thread, which that wait does not see.
 */
final class ThreadChoice {
    private static final Set<String> POLLS =
            Set.of(
                    Integer.toString(Abi.SYS_POLL),
                    Integer.toString(Abi.SYS_PPOLL),
                    Integer.toString(Abi.SYS_EPOLL_WAIT),
                    Integer.toString(Abi.SYS_EPOLL_PWAIT));

    private ThreadChoice() {}

    static int of(int pid) {
        boolean child =
                ProcessHandle.of(pid)
                        .flatMap(ProcessHandle::parent)
                        .filter(ProcessHandle.current()::equals)
                        .isPresent();
        return child ? besidesMainThread(pid) : pid;
    }

    /** A thread that polls, else one that waits on a futex, else the main thread. */
    private static int besidesMainThread(int pid) {
        int choice = pid;
        Path folder = Path.of("/proc/" + pid + "/task");
        try (DirectoryStream<Path> tasks = Files.newDirectoryStream(folder)) {
            for (Path task : tasks) {
                int tid = Integer.parseInt(task.getFileName().toString());
                String call = tid == pid ? "" : currentCall(task);
                if (POLLS.contains(call)) {
                    return tid;
                } else if (call.equals(Integer.toString(Abi.SYS_FUTEX))) {
                    choice = tid;
                }
            }
        } catch (IOException gone) {
            // The attach that follows says that the process ended.
        }
        return choice;
    }

    /** The number of the system call that a thread waits in, or {@code running}. */
    private static String currentCall(Path task) {
        try {
            String line = Files.readString(task.resolve("syscall")).strip();
            int end = line.indexOf(' ');
            return end < 0 ? line : line.substring(0, end);
        } catch (IOException ended) {
            return "";
        }
    }
}
