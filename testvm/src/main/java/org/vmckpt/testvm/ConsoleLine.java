package org.vmckpt.testvm;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.vmckpt.core.Json;

/** One line of a guest's console. Times are of the guest's monotonic clock. */
public sealed interface ConsoleLine {
    /** The first line of a boot. */
    record Boot(
            String nonce,
            int vcpus,
            @JsonProperty("mem_region") long memoryRegionBytes,
            List<BootDisk> disks,
            @JsonProperty("mono_ms") long monotonicMillis)
            implements ConsoleLine {}

    record BootDisk(String name, @JsonProperty("bytes") long sizeBytes) {}

    /**
     * How far the workload has come.
     *
     * @param counter grows by one from tick to tick
     * @param errors all that the guest has found since its boot
     * @param stopped the workload stands still because of the command stop
     * @param memoryPasses rewrites of the whole region that are complete
     * @param diskMaxMicros the slowest disk request since the tick before
     */
    record Tick(
            long counter,
            @JsonProperty("mono_ms") long monotonicMillis,
            String nonce,
            long errors,
            boolean stopped,
            @JsonProperty("mem_passes") long memoryPasses,
            @JsonProperty("mem_pages") long memoryPages,
            @JsonProperty("disk_writes") long diskWrites,
            @JsonProperty("disk_reads") long diskReads,
            @JsonProperty("disk_syncs") long diskSyncs,
            @JsonProperty("disk_max_us") long diskMaxMicros)
            implements ConsoleLine {}

    /** How long touches of random pages took since the tick before, from when each was due. */
    record Stall(
            long counter,
            @JsonProperty("mono_ms") long monotonicMillis,
            long touches,
            @JsonProperty("p50_ns") long p50Nanos,
            @JsonProperty("p99_ns") long p99Nanos,
            @JsonProperty("p999_ns") long p999Nanos,
            @JsonProperty("max_ns") long maxNanos,
            @JsonProperty("longest_ns") List<Long> longestNanos)
            implements ConsoleLine {}

    /**
     * Something the guest found wrong.
     *
     * @param number 1 for the first of the boot; only the first 50 are printed
     * @param what memory, disk, disk-io or stall-memory
     * @param detail the whole line
     */
    record Fault(long number, String what, JsonNode detail) implements ConsoleLine {
        /**
         * checksum, misplaced, lost-write, future-write or not-zero; empty for a failed request.
         */
        public String wrong() {
            return detail.path("wrong").asText();
        }
    }

    /** The answer to verify: everything was judged, and hashed with the workload stopped. */
    record Verdict(
            long counter,
            String nonce,
            @JsonProperty("mem_pages") long memoryPages,
            @JsonProperty("disk_blocks") long diskBlocks,
            @JsonProperty("new_errors") long newErrors,
            long errors,
            @JsonProperty("mem_hash") String memoryHash,
            @JsonProperty("disk_hashes") List<String> diskHashes)
            implements ConsoleLine {}

    /** A command was obeyed, or was none. */
    record Answer(boolean obeyed, String command) implements ConsoleLine {}

    /** What is not the workload's: the kernel's last words, or half a line. */
    record Stray(String text) implements ConsoleLine {}

    static ConsoleLine parse(String text) {
        try {
            JsonNode node = Json.MAPPER.readTree(text);
            return switch (node.path("t").asText()) {
                case "boot" -> Json.MAPPER.treeToValue(node, Boot.class);
                case "tick" -> Json.MAPPER.treeToValue(node, Tick.class);
                case "stall" -> Json.MAPPER.treeToValue(node, Stall.class);
                case "verify" -> Json.MAPPER.treeToValue(node, Verdict.class);
                case "error" ->
                        new Fault(node.path("n").asLong(), node.path("what").asText(), node);
                case "ok" -> new Answer(true, node.path("cmd").asText());
                case "bad" -> new Answer(false, node.path("cmd").asText());
                default -> new Stray(text);
            };
        } catch (JsonProcessingException e) {
            return new Stray(text);
        }
    }
}
