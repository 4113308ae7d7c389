package org.vmckpt.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.Optional;
import org.vmckpt.agent.client.AgentClient;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.CheckpointListing;
import org.vmckpt.core.store.Store;

/** What the store holds, asked of the agent or read here. */
final class Listings {
    private Listings() {}

    static CheckpointListing read(Session session) throws VmckptException {
        Optional<AgentClient> agent = session.agent();
        if (agent.isPresent()) {
            try (AgentClient client = agent.get()) {
                return parse(client.get("/v1/checkpoints"));
            }
        }
        try (Store store = session.openStore()) {
            return CheckpointListing.of(store);
        }
    }

    static CheckpointListing parse(JsonNode answer) throws ProtocolException {
        return parse(answer, CheckpointListing.class);
    }

    static <T> T parse(JsonNode answer, Class<T> type) throws ProtocolException {
        try {
            return Json.MAPPER.treeToValue(answer, type);
        } catch (JsonProcessingException e) {
            throw new ProtocolException(
                    "ask the agent for its store: it is of another version than this"
                            + " command; restart it, or use --agent none ("
                            + e.getOriginalMessage()
                            + ")",
                    e);
        }
    }
}
