package org.vmckpt.core.store;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/**
 * One state of one file: when any part differs, its content may differ. The change time catches
 * tools that write in place and then set the modification time back.
 *
 * <p>Where a file system counts whole seconds, a file that was just written may be written again
 * and keep its identity. Such an identity is not yet <em>settled</em>.
 */
public record FileIdentity(
        String absolutePath,
        long device,
        long inode,
        long sizeBytes,
        long modifiedNanos,
        long changedNanos) {

    private static final long NANOS_PER_SECOND = 1_000_000_000;

    /** What git calls racily clean; FAT, the coarsest, counts in steps of two seconds. */
    private static final long SETTLED_AFTER_NANOS = 2 * NANOS_PER_SECOND;

    /**
     * Content that is no file's, and that somebody else vouches for: what has the same numbers is
     * the same.
     *
     * @param name a path where no file lies; of one name the store remembers one state
     */
    public static FileIdentity vouched(String name, long session, long number) {
        return new FileIdentity(name, session, number, 0, 1, 1);
    }

    /** The state of a file, after waiting up to two seconds for it to be settled. */
    public static FileIdentity settled(Path file) throws VmckptException {
        FileIdentity found = of(file);
        if (!found.isSettledAt(nowNanos())) {
            try {
                Thread.sleep(Duration.ofNanos(SETTLED_AFTER_NANOS));
            } catch (InterruptedException e) {
                // Not settled then, which costs no more than another copy.
                Thread.currentThread().interrupt();
            }
            found = of(file);
        }
        return found;
    }

    /** Whether a write after this moment, in nanoseconds since 1970, must change the identity. */
    boolean isSettledAt(long momentNanos) {
        long newest = Math.max(modifiedNanos, changedNanos);
        return hasFineTimes() || momentNanos - newest >= SETTLED_AFTER_NANOS;
    }

    private boolean hasFineTimes() {
        return modifiedNanos % NANOS_PER_SECOND != 0 || changedNanos % NANOS_PER_SECOND != 0;
    }

    static long nowNanos() {
        Instant now = Instant.now();
        return now.getEpochSecond() * NANOS_PER_SECOND + now.getNano();
    }

    /** The present state of a file; links are followed. */
    public static FileIdentity of(Path file) throws VmckptException {
        try {
            Path real = file.toRealPath();
            Map<String, Object> stat =
                    Files.readAttributes(real, "unix:dev,ino,size,lastModifiedTime,ctime");
            return new FileIdentity(
                    real.toString(),
                    number(stat, "dev"),
                    number(stat, "ino"),
                    number(stat, "size"),
                    nanos(stat, "lastModifiedTime"),
                    nanos(stat, "ctime"));
        } catch (NoSuchFileException e) {
            throw new NotFoundException("identify file " + file + ": it does not exist", e);
        } catch (IOException e) {
            throw new StorageException(
                    "identify file " + file + ": cannot read its attributes: " + e, e);
        }
    }

    private static long number(Map<String, Object> stat, String attribute) {
        return stat.get(attribute) instanceof Number value ? value.longValue() : -1;
    }

    private static long nanos(Map<String, Object> stat, String attribute) {
        return stat.get(attribute) instanceof FileTime time ? time.to(TimeUnit.NANOSECONDS) : -1;
    }
}
