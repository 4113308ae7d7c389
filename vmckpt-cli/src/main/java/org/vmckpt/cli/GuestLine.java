package org.vmckpt.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.StreamSupport;
import org.vmckpt.core.store.CheckpointListing;

/**
 * A guest as {@code vmckpt status} shows it.
 *
 * @param state {@code tracked}, {@code running} or {@code off}, and of a domain {@code starting},
 *     {@code missing} or {@code unknown} if libvirtd does not answer; {@code unknown} without an
 *     agent
 * @param last its newest checkpoint
 * @param kept how many checkpoints of it the store has
 * @param due when its next checkpoint is, if that does not wait for the guest's start
 * @param problem what went wrong last
 */
record GuestLine(
        String name,
        String monitor,
        String state,
        Optional<CheckpointListing.Entry> last,
        int kept,
        Optional<Instant> due,
        Optional<String> problem) {

    /**
     * The guests of an agent, and then those that only the store knows.
     *
     * @param known of the agent; empty without one
     */
    static List<GuestLine> of(CheckpointListing listing, JsonNode known, JsonNode schedules) {
        Map<String, List<CheckpointListing.Entry>> byMonitor = new LinkedHashMap<>();
        listing.checkpoints()
                .forEach(entry ->
                        byMonitor
                                .computeIfAbsent(entry.monitor(), _ -> new ArrayList<>())
                                .add(entry));
        List<GuestLine> lines = new ArrayList<>();
        for (JsonNode guest : known) {
            String monitor = guest.path("monitor").asText();
            List<CheckpointListing.Entry> own = byMonitor.remove(monitor);
            lines.add(ofAgent(guest, own == null ? List.of() : own, schedules));
        }
        byMonitor.forEach((monitor, own) ->
                lines.add(
                        new GuestLine(
                                own.getLast().guest(),
                                monitor,
                                "unknown",
                                Optional.of(own.getLast()),
                                own.size(),
                                Optional.empty(),
                                Optional.empty())));
        return lines;
    }

    private static GuestLine ofAgent(
            JsonNode guest, List<CheckpointListing.Entry> own, JsonNode schedules) {
        String name = guest.path("name").asText();
        boolean rests = guest.path("domain").isObject() && !guest.path("running").asBoolean();
        Optional<Instant> due =
                StreamSupport.stream(schedules.spliterator(), false)
                        .filter(schedule -> schedule.path("guest").asText().equals(name) && !rests)
                        .map(schedule -> Instant.parse(schedule.path("due").asText()))
                        .min(Comparator.naturalOrder());
        JsonNode failure = guest.path("lastFailure");
        return new GuestLine(
                name,
                guest.path("monitor").asText(),
                state(guest),
                own.isEmpty() ? Optional.empty() : Optional.of(own.getLast()),
                own.size(),
                due,
                failure.isObject()
                        ? Optional.of(name + ": " + failure.path("message").asText())
                        : Optional.ofNullable(guest.path("trackingLost").textValue())
                                .map(why -> name + ": " + why));
    }

    private static String state(JsonNode guest) {
        if (!guest.path("running").asBoolean()) {
            return guest.path("state").asText("off");
        }
        return guest.path("trackedSince").isTextual() ? "tracked" : "running";
    }
}
