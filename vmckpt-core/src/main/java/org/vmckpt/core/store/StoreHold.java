package org.vmckpt.core.store;

/** While open, no segment is removed from the store, by any process. Closing twice is harmless. */
public interface StoreHold extends AutoCloseable {
    @Override
    void close();
}
