package org.vmckpt.cow.disk;

/**
 * How QEMU uses the host's page cache for a disk.
 *
 * @param direct past the page cache, O_DIRECT
 * @param noFlush flushes of the guest are ignored
 */
public record CacheMode(boolean direct, boolean noFlush) {}
