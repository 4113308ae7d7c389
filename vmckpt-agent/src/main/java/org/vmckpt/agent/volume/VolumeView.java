package org.vmckpt.agent.volume;

import java.util.List;
import java.util.Optional;
import org.vmckpt.cow.volume.VolumeInfo;

/**
 * A volume at one moment.
 *
 * @param server the process that has it
 * @param layers oldest first; the last takes what the guest writes
 * @param problem why it is not served, or cannot be looked at
 */
public record VolumeView(
        String name,
        String folder,
        String socket,
        Optional<Long> sizeBytes,
        Optional<Long> server,
        List<Layer> layers,
        Optional<String> problem) {
    /** One of its files. */
    public record Layer(String file, String format, long fileBytes, List<String> heldBy) {
        static Layer of(VolumeInfo.LayerInfo layer) {
            return new Layer(
                    layer.file().toString(), layer.format(), layer.fileBytes(), layer.heldBy());
        }
    }
}
