package org.vmckpt.cow.memory;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.Fd;
import org.vmckpt.cow.linux.PidFd;
import org.vmckpt.cow.linux.Tracee;
import org.vmckpt.cow.linux.Userfaultfd;

/**
 * Userfaultfds that a killed predecessor left in a QEMU.
 *
 * <p>We close QEMU's copy before we put ours to use, so what a predecessor can leave was never
 * used. One that was used is QEMU's own (postcopy, background-snapshot) and is not touched.
 */
final class StaleDescriptors {
    private static final String LINK = "anon_inode:[userfaultfd]";

    private final List<Integer> numbers;

    private StaleDescriptors(List<Integer> numbers) {
        this.numbers = numbers;
    }

    static StaleDescriptors of(long pid) {
        List<Integer> numbers = new ArrayList<>();
        Path folder = Path.of("/proc", Long.toString(pid), "fd");
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
            for (Path entry : entries) {
                if (isUserfaultfd(entry)) {
                    numbers.add(Integer.valueOf(entry.getFileName().toString()));
                }
            }
        } catch (IOException unreadable) {
            // Without the right to look, tracing fails next, and says what to do.
        }
        return new StaleDescriptors(numbers);
    }

    private static boolean isUserfaultfd(Path entry) {
        try {
            return Files.readSymbolicLink(entry).toString().equals(LINK);
        } catch (IOException closedMeanwhile) {
            return false;
        }
    }

    void closeIn(PidFd process, Tracee tracee) throws ErrnoException {
        for (int number : numbers) {
            boolean stale;
            try (Fd copy = process.getfd(number)) {
                stale = Userfaultfd.isUnused(copy);
            }
            if (stale) {
                tracee.closeDescriptor(number);
            }
        }
    }
}
