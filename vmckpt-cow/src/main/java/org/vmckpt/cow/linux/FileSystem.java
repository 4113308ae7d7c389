package org.vmckpt.cow.linux;

import java.nio.file.Path;

/**
 * The file system that holds a file (statfs(2)). Asked of the file itself: memfds lie in file
 * systems that are in no mount table.
 *
 * @param magic its type
 * @param blockBytes on hugetlbfs the size of its pages
 */
public record FileSystem(long magic, long blockBytes) {
    /**
     * Of a path, links followed.
     *
     * @throws ErrnoException EPERM or EACCES when we may not look, ENOENT when there is nothing
     */
    public static FileSystem of(Path path) throws ErrnoException {
        Scratch scratch = Scratch.current();
        scratch.clear();
        long result = FfmSyscalls.INSTANCE.statfs(path.toString(), scratch.address());
        ErrnoException.check(result, "statfs", path.toString());
        return new FileSystem(
                scratch.getLong(Abi.STATFS_F_TYPE), scratch.getLong(Abi.STATFS_F_BSIZE));
    }

    /** Memfds, tmpfs and shared anonymous memory; in pages of the usual size. */
    public boolean isTmpfs() {
        return magic == Abi.TMPFS_MAGIC;
    }

    /** Memory in huge pages, of files and memfds. */
    public boolean isHugetlbfs() {
        return magic == Abi.HUGETLBFS_MAGIC;
    }
}
