package org.vmckpt.cow.checkpoint;

import java.util.Map;

/**
 * How memory was captured, in numbers.
 *
 * @param windowMicros how long the guest's writes were slowed after it went on
 * @param faults writes by the guest that waited for their page, where the engine knows
 * @param readBytes of guest memory
 * @param statistics what else this engine knows; keys end in their unit
 */
record Captured(long windowMicros, long faults, long readBytes, Map<String, Long> statistics) {}
