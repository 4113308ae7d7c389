package org.vmckpt.core.stream;

/** The constants of QEMU's migration/savevm.c and migration/ram.c. */
final class StreamFormat {
    static final int FILE_MAGIC = 0x5145564d;
    static final int FILE_VERSION = 3;
    static final int EOF = 0x00;
    static final int SECTION_START = 0x01;
    static final int SECTION_PART = 0x02;
    static final int SECTION_END = 0x03;
    static final int SECTION_FULL = 0x04;
    static final int SUBSECTION = 0x05;
    static final int DESCRIPTION = 0x06;
    static final int CONFIGURATION = 0x07;
    static final int COMMAND = 0x08;
    static final int SECTION_FOOTER = 0x7e;

    /** QEMU 10 and later say with it that the guest stood still; no other command belongs here. */
    static final int SWITCHOVER_START = 11;

    static final int RAM_ZERO = 0x02;
    static final int RAM_SIZES = 0x04;
    static final int RAM_PAGE = 0x08;
    static final int RAM_END = 0x10;
    static final int RAM_SAME_BLOCK = 0x20;
    static final int RAM_FLAGS = 0xfff;

    /** Of the section of RAM, in migration/ram.c. */
    static final int RAM_VERSION = 4;

    /** The capability with which shared RAM blocks are left out. */
    static final String IGNORE_SHARED = "x-ignore-shared";

    static final int PAGE_BYTES = 4096;
    static final int UUID_BYTES = 16;

    private StreamFormat() {}
}
