package org.vmckpt.cow.volume;

import java.nio.file.Path;
import java.util.List;

/**
 * All layers of an open volume at one moment, oldest first.
 *
 * @param session another one after each start
 * @param foreignBase whether the first is somebody else's file
 */
public record LayerStates(long session, boolean foreignBase, List<LayerState> layers) {
    /**
     * One layer.
     *
     * @param content number of what it holds with all below it, which is frozen: the same as long
     *     as the session is the same; 0 for the active layer
     */
    public record LayerState(Path file, String format, long content) {}

    public LayerStates {
        layers = List.copyOf(layers);
    }
}
