package org.vmckpt.cow.linux;

import org.vmckpt.core.UnsupportedException;

/** What this host must be for the calls of this package to work at all. */
public final class LinuxPlatform {
    private LinuxPlatform() {}

    /** Refuses every platform but x86-64 Linux. */
    public static void require() throws UnsupportedException {
        require(System.getProperty("os.name"), System.getProperty("os.arch"));
    }

    static void require(String system, String architecture) throws UnsupportedException {
        if (!system.equals("Linux") || !architecture.equals("amd64")) {
            throw new UnsupportedException(
                    "Copy-on-write of guest memory needs x86-64 Linux, this is "
                            + system
                            + " on "
                            + architecture
                            + ": use another engine, or an x86-64 Linux host");
        }
    }
}
