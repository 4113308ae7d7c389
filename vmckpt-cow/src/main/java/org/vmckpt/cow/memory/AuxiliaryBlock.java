package org.vmckpt.cow.memory;

/**
 * A RAM block of QEMU that belongs to no memory backend.
 *
 * @param name as in the migration stream
 * @param hostAddress where it lies in QEMU's address space
 * @param anonymous whether it is private and of no file: then a page that the kernel never gave
 *     QEMU is zeros
 */
record AuxiliaryBlock(String name, long hostAddress, long sizeBytes, boolean anonymous) {}
