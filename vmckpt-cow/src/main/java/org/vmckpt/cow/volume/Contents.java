package org.vmckpt.cow.volume;

import java.security.SecureRandom;
import java.util.HashMap;
import java.util.Map;
import org.vmckpt.cow.volume.VolumeDescription.LayerFile;

/**
 * Numbers for what each frozen layer holds together with all below it. As long as this process has
 * the volume that stays what it is, however its files change: a commit writes into a parent only
 * what the layer above says anyway, and at its end the parent has that layer's number. So whoever
 * copied the content of a number needs none of its files again.
 */
final class Contents {
    /** Numbers of another process mean something else. */
    private final long session = new SecureRandom().nextLong();

    // Guarded by whoever guards the description.
    private final Map<LayerFile, Long> numbers = new HashMap<>();
    private long last;

    Contents(VolumeDescription description) {
        for (LayerFile layer : description.layers()) {
            if (!layer.equals(description.active())) {
                frozen(layer);
            }
        }
    }

    long session() {
        return session;
    }

    void frozen(LayerFile layer) {
        numbers.put(layer, ++last);
    }

    /** The parent says now what both said. */
    void folded(LayerFile layer, LayerFile parent) {
        Long number = numbers.remove(layer);
        if (number == null) {
            throw new IllegalArgumentException("folded a layer that is not frozen: " + layer);
        }
        numbers.put(parent, number);
    }

    /** 0 for the active layer, which is still written. */
    long numberOf(LayerFile layer) {
        return numbers.getOrDefault(layer, 0L);
    }
}
