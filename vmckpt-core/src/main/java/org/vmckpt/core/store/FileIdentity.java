package org.vmckpt.core.store;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/**
 * One state of one file: when any part differs, its content may differ. The change time catches
 * tools that write in place and then set the modification time back.
 */
public record FileIdentity(
        String absolutePath,
        long device,
        long inode,
        long sizeBytes,
        long modifiedNanos,
        long changedNanos) {

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
