package org.vmckpt.agent.client;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.checkpoint.GuestAddress;

/**
 * A guest that the agent has let go until this is closed, or this process ends. Its jobs wait
 * meanwhile.
 *
 * @param guest its name in the agent's configuration
 * @param store the agent's
 */
public record Loan(AgentClient agent, String job, String guest, GuestAddress address, Path store)
        implements AutoCloseable {
    private static final int POLL_MILLIS = 20;

    /** Waits for the jobs that the guest has. */
    static Loan take(AgentClient agent, String guest) throws VmckptException {
        ObjectNode wanted =
                Json.MAPPER
                        .createObjectNode()
                        .put("kind", "lend")
                        .put("guest", guest)
                        .put("pid", ProcessHandle.current().pid());
        String id = agent.post("/v1/jobs", wanted).path("id").asText();
        boolean lent = false;
        try {
            String name = awaitLent(agent, id);
            Loan loan =
                    new Loan(
                            agent,
                            id,
                            name,
                            address(guestNamed(agent, name)),
                            Path.of(agent.get("/v1/health").path("store").asText()));
            lent = true;
            return loan;
        } finally {
            if (!lent) {
                agent.cancel(id);
            }
        }
    }

    /** Returns the guest's name. */
    private static String awaitLent(AgentClient agent, String id) throws VmckptException {
        JsonNode job = agent.get("/v1/jobs/" + id);
        while (!job.path("progress").path("phase").asText().equals("lent")) {
            if (AgentClient.isEnd(job)) {
                throw AgentClient.error(job.path("error"));
            }
            try {
                Thread.sleep(POLL_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new RefusedException("borrow a guest of the agent: interrupted", e);
            }
            job = agent.get("/v1/jobs/" + id);
        }
        return job.path("subject").asText();
    }

    private static JsonNode guestNamed(AgentClient agent, String name) throws VmckptException {
        for (JsonNode guest : agent.get("/v1/guests").path("guests")) {
            if (guest.path("name").asText().equals(name)) {
                return guest;
            }
        }
        throw new ProtocolException("borrow guest " + name + ": the agent does not list it");
    }

    private static GuestAddress address(JsonNode guest) {
        JsonNode domain = guest.path("domain");
        return domain.isObject()
                ? new GuestAddress.Libvirt(
                        domain.path("uri").asText(), domain.path("name").asText())
                : GuestAddress.of(Path.of(guest.path("monitor").asText()));
    }

    @Override
    public void close() {
        agent.cancel(job);
    }
}
