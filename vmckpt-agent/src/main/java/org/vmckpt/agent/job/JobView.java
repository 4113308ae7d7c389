package org.vmckpt.agent.job;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Instant;
import java.util.Optional;
import org.vmckpt.core.ErrorKind;

/**
 * A job at one moment, as clients see it.
 *
 * @param subject the name of the guest, or the id of a checkpoint
 * @param schedule that asked for it; empty when a person did
 * @param result what the command prints with {@code --json}; of jobs that are done
 */
public record JobView(
        String id,
        JobKind kind,
        String subject,
        Optional<String> schedule,
        JobState state,
        Instant createdAt,
        Optional<Instant> startedAt,
        Optional<Instant> endedAt,
        Optional<Progress> progress,
        Optional<Failure> error,
        Optional<JsonNode> result) {

    /** See {@link org.vmckpt.core.ProgressListener}. */
    public record Progress(String phase, long done, long total, String unit) {}

    /** Why it failed. */
    public record Failure(ErrorKind kind, String message) {}
}
