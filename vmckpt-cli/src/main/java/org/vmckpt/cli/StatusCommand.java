package org.vmckpt.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.vmckpt.agent.client.AgentClient;
import org.vmckpt.core.HumanDuration;
import org.vmckpt.core.HumanSize;
import org.vmckpt.core.Json;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.CheckpointListing;
import org.vmckpt.core.store.Store;
import org.vmckpt.core.store.StoreSize;
import picocli.CommandLine.Command;

/** Says how all guests are. */
@Command(
        name = "status",
        header = "Show all guests and their newest checkpoints.",
        description = {
            "%nShows each guest with its newest checkpoint: how old it is, how long the guest stood"
                + " still for it, how many pages had changed, and how many layers its memory has;"
                + " and how large the store is. With an agent also whether the guest runs and is"
                + " tracked, and when its next checkpoint is due; without one, what the store"
                + " tells.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {"  vmckpt status", "  vmckpt status --json"})
final class StatusCommand implements Callable<Integer> {
    private final Session session;

    StatusCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        Optional<AgentClient> agent = session.agent();
        if (agent.isPresent()) {
            try (AgentClient client = agent.get()) {
                show(
                        Optional.of(client.get("/v1/health")),
                        Listings.parse(client.get("/v1/store"), StoreSize.class),
                        GuestLine.of(
                                Listings.parse(client.get("/v1/checkpoints")),
                                client.get("/v1/guests").path("guests"),
                                client.get("/v1/schedules").path("schedules")));
            }
        } else {
            try (Store store = session.openStore()) {
                JsonNode none = Json.MAPPER.createArrayNode();
                show(
                        Optional.empty(),
                        StoreSize.of(store),
                        GuestLine.of(CheckpointListing.of(store), none, none));
            }
        }
        return ExitCode.OK.number();
    }

    private void show(Optional<JsonNode> health, StoreSize store, List<GuestLine> guests)
            throws VmckptException {
        ObjectNode json = Json.MAPPER.createObjectNode();
        json.set(
                "agent",
                health.orElseGet(com.fasterxml.jackson.databind.node.NullNode::getInstance));
        json.set("store", Json.MAPPER.valueToTree(store));
        json.set("guests", Json.MAPPER.valueToTree(guests));
        session.printResult(json, out -> print(health, store, guests, out));
        guests.forEach(guest -> guest.problem().ifPresent(session::warn));
    }

    private void print(
            Optional<JsonNode> health, StoreSize store, List<GuestLine> guests, PrintWriter out) {
        Instant now = Instant.now();
        out.println(health.map(StatusCommand::describe).orElse("No agent is used."));
        out.printf(
                "Store %s: %s, %s free.%n",
                store.path(), HumanSize.format(store.bytes()), HumanSize.format(store.freeBytes()));
        if (guests.isEmpty()) {
            out.println("No guests.");
            return;
        }
        Table table =
                new Table()
                        .row(
                                "GUEST", "STATE", "LAST", "AGE", "PAUSE", "DIRTY", "LAYERS",
                                "STORED", "KEPT", "NEXT");
        for (GuestLine guest : guests) {
            table.row(
                    guest.name(),
                    guest.state(),
                    guest.last().map(last -> last.id().shortForm()).orElse("-"),
                    guest.last().map(last -> age(last.createdAt(), now)).orElse("-"),
                    guest.last().map(last -> micros(last, "pauseMicros")).orElse("-"),
                    guest.last()
                            .map(last -> last.statistics().get("pagesWanted"))
                            .map(pages -> pages + " pages")
                            .orElse("-"),
                    guest.last().map(last -> Integer.toString(last.chainLength())).orElse("-"),
                    guest.last()
                            .map(last -> last.statistics().get("storedBytes"))
                            .map(HumanSize::format)
                            .orElse("-"),
                    Integer.toString(guest.kept()),
                    guest.due().map(due -> due(due, now)).orElse("-"));
        }
        table.print(out);
    }

    private static String describe(JsonNode health) {
        return "Agent since "
                + ListCommand.localTime(Instant.parse(health.path("startedAt").asText()))
                + ", "
                + health.path("jobsRunning").asLong()
                + " jobs running, "
                + health.path("jobsWaiting").asLong()
                + " waiting.";
    }

    private static String micros(CheckpointListing.Entry entry, String key) {
        return HumanDuration.format(
                Duration.ofNanos(entry.statistics().getOrDefault(key, 0L) * 1000));
    }

    private static String age(Instant then, Instant now) {
        return HumanDuration.format(Duration.between(then.isAfter(now) ? now : then, now));
    }

    private static String due(Instant due, Instant now) {
        return due.isAfter(now) ? "in " + HumanDuration.format(Duration.between(now, due)) : "now";
    }
}
