package org.vmckpt.cow.checkpoint;

import java.util.ArrayList;
import java.util.List;
import org.vmckpt.core.Manifest;

/**
 * A checkpoint that is durable.
 *
 * @param engine which saved memory, and why not one before it
 * @param durableMillis from the guest's stop until the manifest was on disk
 * @param foldedOverlays how many older overlays went back into their disks
 * @param warnings what did not work and does not harm the checkpoint
 */
public record CheckpointReport(
        Manifest manifest,
        EngineChoice engine,
        PauseTimes pause,
        long copyWindowMicros,
        long cowFaults,
        long memoryReadBytes,
        long diskReadBytes,
        long storedBytes,
        long durableMillis,
        int foldedOverlays,
        List<String> warnings) {
    public CheckpointReport {
        warnings = List.copyOf(warnings);
    }

    CheckpointReport withWarning(String warning) {
        List<String> all = new ArrayList<>(warnings);
        all.add(warning);
        return new CheckpointReport(
                manifest,
                engine,
                pause,
                copyWindowMicros,
                cowFaults,
                memoryReadBytes,
                diskReadBytes,
                storedBytes,
                durableMillis,
                foldedOverlays,
                all);
    }
}
