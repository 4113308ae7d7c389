package org.vmckpt.cli;

/** Formats of disk files, by the names that everybody has for them. */
enum DiskFormat {
    qcow2,
    raw
}
