package org.vmckpt.cow.volume;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * A disk that is served: its layers, and the ledger of the requests in them. Who executes a request
 * enters it into the {@link #ledger}, works on the request's layer, and ends it.
 */
public final class Volume implements AutoCloseable {
    /** Makes durable what a fork changed besides the layers, for example the name of a file. */
    public interface ForkRecord {
        void makeDurable() throws IOException;
    }

    private final String name;
    private final Ledger ledger;

    /** Guards changes of the layers and the record. */
    private final Object lock = new Object();

    /** Oldest first; replaced, never changed. */
    private volatile List<Layer> layers;

    private final AtomicReference<@Nullable ForkRecord> unsaved = new AtomicReference<>();

    /**
     * @param layers oldest first; at least one, the last is active. The volume owns all of them.
     */
    public Volume(String name, List<Layer> layers) {
        this.name = name;
        this.layers = List.copyOf(layers);
        this.ledger = new Ledger(layers.getLast());
    }

    public String name() {
        return name;
    }

    public Ledger ledger() {
        return ledger;
    }

    public long size() {
        return ledger.active().device().size();
    }

    /** The granularity at which writing is cheap. */
    public long groupBytes() {
        return ledger.active().groupBytes();
    }

    /** Oldest first. */
    public List<Layer> layers() {
        return layers;
    }

    /** All changes that had ended before this call are durable after it. */
    public void flush() throws IOException {
        List<Layer> now = layers;
        long[] ended = new long[now.size()];
        for (int i = 0; i < ended.length; i++) {
            ended[i] = ledger.changesEnded(now.get(i));
        }
        saveRecord();
        for (int i = 0; i < ended.length; i++) {
            now.get(i).sync(ended[i]);
        }
    }

    /** What a request that still runs has changed is durable after this. */
    public void force(PendingRequest request) throws IOException {
        saveRecord();
        request.layer().device().flush();
    }

    private void saveRecord() throws IOException {
        ForkRecord record = unsaved.get();
        if (record != null) {
            record.makeDurable();
            unsaved.compareAndSet(record, null);
        }
    }

    /**
     * Freezes the active layer; requests that run in it finish there.
     *
     * @param layer empty, over the active one
     * @param record what the next flush makes durable first
     */
    void fork(Layer layer, ForkRecord record) {
        synchronized (lock) {
            if (layer.device().size() != size()) {
                throw new IllegalArgumentException("the new layer has another size");
            }
            List<Layer> grown = new ArrayList<>(layers);
            grown.add(layer);
            // Before anybody can write to the new layer: a flush must know it by then.
            layers = List.copyOf(grown);
            unsaved.set(record);
            ledger.fork(layer);
        }
    }

    /** A frozen layer has been folded into its parent and is not read any more. */
    void forget(Layer layer) {
        synchronized (lock) {
            List<Layer> fewer = new ArrayList<>(layers);
            if (layer == fewer.getLast() || !fewer.remove(layer)) {
                throw new IllegalArgumentException("not a frozen layer of this volume");
            }
            layers = List.copyOf(fewer);
        }
    }

    /** A frozen layer was opened again in another way. */
    void replace(Layer layer, Layer other) {
        synchronized (lock) {
            List<Layer> changed = new ArrayList<>(layers);
            int number = changed.indexOf(layer);
            if (number < 0 || number == changed.size() - 1) {
                throw new IllegalArgumentException("not a frozen layer of this volume");
            }
            changed.set(number, other);
            layers = List.copyOf(changed);
        }
    }

    /** From now on every request is answered with EIO, also those under way; returns how many. */
    public int hold() {
        return ledger.hold();
    }

    /** Ends a hold. */
    public void release() {
        ledger.release();
    }

    /** Closes all layers: a layer's disk closes those below. Nobody may use the volume any more. */
    @Override
    public void close() throws IOException {
        layers.getLast().device().close();
    }
}
