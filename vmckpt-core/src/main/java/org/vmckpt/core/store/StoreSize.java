package org.vmckpt.core.store;

import org.vmckpt.core.VmckptException;

/**
 * How much room a store takes, and has.
 *
 * @param bytes of all its files
 * @param freeBytes that its file system has left
 */
public record StoreSize(String path, long bytes, long freeBytes) {
    /** Looks at every file of the store. */
    public static StoreSize of(Store store) throws VmckptException {
        return new StoreSize(store.directory().toString(), store.usedBytes(), store.usableBytes());
    }
}
