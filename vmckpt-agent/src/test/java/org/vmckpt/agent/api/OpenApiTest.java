package org.vmckpt.agent.api;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.vmckpt.agent.api.UnixHttp.Reply;
import org.vmckpt.core.Json;

/** The description and the server say the same. */
class OpenApiTest {
    private static final Set<String> METHODS = Set.of("get", "post", "put", "delete");
    private static ApiFixture agent;
    private static JsonNode document;

    @BeforeAll
    static void start() throws Exception {
        agent = ApiFixture.start();
        String text = agent.http().get("/v1/openapi.yaml").body();
        Object yaml = new Load(LoadSettings.builder().build()).loadFromString(text);
        document = Json.MAPPER.valueToTree(yaml);
    }

    @AfterAll
    static void stop() throws Exception {
        agent.close();
    }

    @Test
    @SuppressWarnings("NullAway") // no endpoint is called
    void everyEndpointIsDescribedAndTheOtherWayRound() {
        Set<String> described = new TreeSet<>();
        for (Map.Entry<String, JsonNode> path : document.path("paths").properties()) {
            for (String method : METHODS) {
                if (path.getValue().has(method)) {
                    described.add(method.toUpperCase(java.util.Locale.ROOT) + " " + path.getKey());
                }
            }
        }
        assertThat(described).isEqualTo(Resources.routes(null).all());
    }

    @Test
    void answersAreAsDescribed() throws Exception {
        UnixHttp http = agent.http();
        require("get", "/v1/health", 200, http.get("/v1/health"));
        require("get", "/v1/store", 200, http.get("/v1/store"));
        require("get", "/v1/guests", 200, http.get("/v1/guests"));
        require("get", "/v1/guests/{name}", 200, http.get("/v1/guests/vm1"));
        require("get", "/v1/guests/{name}", 200, http.get("/v1/guests/web"));
        require("get", "/v1/guests/{name}", 404, http.get("/v1/guests/none"));
        require("get", "/v1/checkpoints", 200, http.get("/v1/checkpoints"));
        require("get", "/v1/checkpoints/{checkpoint}", 404, http.get("/v1/checkpoints/x"));
        require(
                "delete",
                "/v1/checkpoints/{checkpoint}",
                404,
                http.request("DELETE", "/v1/checkpoints/x", ""));
        Reply job = http.request("POST", "/v1/jobs", "{\"kind\":\"release\",\"guest\":\"vm2\"}");
        require("post", "/v1/jobs", 202, job);
        String id = job.json().path("id").asText();
        assertThat(http.get("/v1/jobs/" + id + "/events").body()).contains("event: job\n");
        require("get", "/v1/jobs/{job}", 200, http.get("/v1/jobs/" + id));
        require("delete", "/v1/jobs/{job}", 202, http.request("DELETE", "/v1/jobs/" + id, ""));
        require("get", "/v1/jobs", 200, http.get("/v1/jobs"));
        String event = "/v1/libvirt/events?operation=stopped&domain=";
        require("post", "/v1/libvirt/events", 202, http.request("POST", event + "vm1", ""));
        require("post", "/v1/libvirt/events", 400, http.request("POST", event, ""));
        require("get", "/v1/volumes", 200, http.get("/v1/volumes"));
        require("get", "/v1/volumes/{volume}", 200, http.get("/v1/volumes/disk"));
        require("get", "/v1/volumes/{volume}", 400, http.get("/v1/volumes/..%2Fdisk"));
        String fork = "/v1/volumes/disk/fork";
        require("post", "/v1/volumes/{volume}/fork", 404, http.request("POST", fork, "{}"));
        String up = "{\"hold\": \"../x\"}";
        require("post", "/v1/volumes/{volume}/fork", 400, http.request("POST", fork, up));
        String commit = "/v1/volumes/disk/commit";
        require("post", "/v1/volumes/{volume}/commit", 202, http.request("POST", commit, "{}"));
        require("get", "/v1/schedules", 200, http.get("/v1/schedules"));
        require(
                "post",
                "/v1/schedules/{schedule}/run",
                202,
                http.request("POST", "/v1/schedules/yearly/run", ""));
        require("post", "/v1/jobs", 400, http.request("POST", "/v1/jobs", "{}"));
    }

    private static void require(String method, String path, int status, Reply reply)
            throws Exception {
        assertThat(reply.status()).as("%s %s: %s", method, path, reply.body()).isEqualTo(status);
        JsonNode responses = document.path("paths").path(path).path(method).path("responses");
        JsonNode response = responses.path(status < 300 ? Integer.toString(status) : "default");
        if (response.has("$ref")) {
            response = document.at(response.path("$ref").asText().substring(1));
        }
        JsonNode schema = response.path("content").path("application/json").path("schema");
        assertThat(schema.isMissingNode()).as("schema of %s %s", method, path).isFalse();
        ObjectNode whole = schema.deepCopy();
        whole.set("components", document.path("components"));
        JsonSchema validator =
                JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012).getSchema(whole);
        assertThat(validator.validate(reply.json())).as(reply.body()).isEmpty();
    }
}
