package org.vmckpt.cow.qcow2;

/** How a file's compressed clusters are packed; the same for all of them. */
public enum Compression {
    ZLIB,
    ZSTD
}
