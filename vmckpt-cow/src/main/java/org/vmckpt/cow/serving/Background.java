package org.vmckpt.cow.serving;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.volume.OpenVolume;

/** What is done while nobody waits for it. */
final class Background {
    private static final Logger LOG = LoggerFactory.getLogger(Background.class);

    private Background() {}

    static void prepare(OpenVolume volume) {
        Thread.ofPlatform()
                .daemon()
                .name("volume-prepare")
                .start(() -> {
                    try {
                        volume.prepare();
                    } catch (VmckptException e) {
                        // The next fork tries again and tells who asked for it.
                        LOG.warn("{}", e.getMessage());
                    }
                });
    }
}
