package org.vmckpt.cow.disk;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/**
 * QEMU's block nodes and who uses whom, from {@code query-named-block-nodes} and {@code
 * x-debug-query-block-graph}: only the latter tells a node's children by name.
 */
final class BlockGraph {
    private static final String NODE_TYPE = "block-driver";
    private static final String JOB_TYPE = "block-job";

    private record Edge(String name, long parent, long child) {}

    private final Map<String, JsonNode> details = new HashMap<>();
    private final Map<String, Long> idsByNode = new HashMap<>();
    private final Map<Long, String> nodesById = new HashMap<>();
    private final Map<Long, String> usersById = new HashMap<>();
    private final Map<Long, String> jobsById = new HashMap<>();
    private final List<Edge> edges = new ArrayList<>();

    private BlockGraph() {}

    static BlockGraph query(QmpClient qmp) throws VmckptException {
        BlockGraph graph = new BlockGraph();
        JsonNode flat =
                qmp.execute(
                        "query-named-block-nodes",
                        Json.MAPPER.createObjectNode().put("flat", true));
        flat.forEach(node -> graph.details.put(node.path("node-name").asText(), node));
        JsonNode answer = qmp.execute("x-debug-query-block-graph");
        answer.path("nodes").forEach(graph::addNode);
        answer.path("edges")
                .forEach(edge ->
                        graph.edges.add(
                                new Edge(
                                        edge.path("name").asText(),
                                        edge.path("parent").asLong(),
                                        edge.path("child").asLong())));
        return graph;
    }

    /** What QEMU says about a node. */
    JsonNode details(String nodeName) throws ProtocolException {
        JsonNode node = details.get(nodeName);
        if (node == null) {
            throw new ProtocolException(
                    "query-named-block-nodes: expected block node "
                            + nodeName
                            + ", found none of that name; a disk was changed at this moment,"
                            + " try again");
        }
        return node;
    }

    String driver(String nodeName) throws ProtocolException {
        return details(nodeName).path("drv").asText();
    }

    Set<String> nodeNames() {
        return Set.copyOf(details.keySet());
    }

    /** The child of a node: {@code file} or {@code backing}. */
    Optional<String> child(String nodeName, String role) {
        long id = idsByNode.getOrDefault(nodeName, -1L);
        return edges.stream()
                .filter(edge -> edge.parent() == id && edge.name().equals(role))
                .map(edge -> nodesById.get(edge.child()))
                .findFirst();
    }

    /** Names of the jobs that work on one of these nodes. */
    Set<String> jobsOn(Set<String> nodeNames) {
        Set<String> jobs = new HashSet<>();
        for (Edge edge : edges) {
            String job = jobsById.get(edge.parent());
            String node = nodesById.get(edge.child());
            if (job != null && node != null && nodeNames.contains(node)) {
                jobs.add(job);
            }
        }
        return jobs;
    }

    /** The nodes that a device, an export or a job uses, themselves or through other nodes. */
    Set<String> usedNodes() {
        Set<Long> seen = new HashSet<>();
        Deque<Long> open = new ArrayDeque<>(usersById.keySet());
        open.addAll(jobsById.keySet());
        while (!open.isEmpty()) {
            long id = open.remove();
            if (seen.add(id)) {
                edges.stream().filter(e -> e.parent() == id).forEach(e -> open.add(e.child()));
            }
        }
        Set<String> used = new HashSet<>();
        seen.stream().filter(nodesById::containsKey).forEach(id -> used.add(nameOf(id)));
        return used;
    }

    private String nameOf(long id) {
        return nodesById.getOrDefault(id, "");
    }

    private void addNode(JsonNode node) {
        long id = node.path("id").asLong();
        String name = node.path("name").asText();
        switch (node.path("type").asText()) {
            case NODE_TYPE -> {
                idsByNode.put(name, id);
                nodesById.put(id, name);
            }
            case JOB_TYPE -> jobsById.put(id, name);
            default -> usersById.put(id, name);
        }
    }
}
