package org.vmckpt.cow.definition;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.LongNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.util.Optional;
import org.vmckpt.core.Json;

/** Properties as one JSON object, the form that libvirt uses. */
public final class JsonProperties implements OptionProperties {
    private final ObjectNode object;
    private final String written;

    private JsonProperties(ObjectNode object, String written) {
        this.object = object;
        this.written = written;
    }

    /** Empty when the text is not one JSON object. */
    static Optional<JsonProperties> parse(String text) {
        try {
            return Json.MAPPER.readTree(text) instanceof ObjectNode object
                    ? Optional.of(new JsonProperties(object, text))
                    : Optional.empty();
        } catch (JsonProcessingException e) {
            return Optional.empty();
        }
    }

    @Override
    public Optional<String> get(String key) {
        JsonNode node = object.path(key);
        if (node.isMissingNode()) {
            node = object.at("/" + key.replace('.', '/'));
        }
        if (!node.isValueNode() || node.isNull()) {
            return Optional.empty();
        }
        return Optional.of(node.isBoolean() ? (node.booleanValue() ? "on" : "off") : node.asText());
    }

    @Override
    public JsonProperties with(String key, String value) {
        boolean wasBoolean =
                object.path(key).isBoolean() || object.at("/" + key.replace('.', '/')).isBoolean();
        return with(
                key,
                wasBoolean ? BooleanNode.valueOf(value.equals("on")) : TextNode.valueOf(value));
    }

    @Override
    public JsonProperties with(String key, long value) {
        return with(key, LongNode.valueOf(value));
    }

    private JsonProperties with(String key, JsonNode value) {
        ObjectNode changed = object.deepCopy();
        String[] names = key.split("\\.");
        if (changed.has(key)) {
            names = new String[] {key};
        }
        ObjectNode parent = changed;
        for (int i = 0; i < names.length - 1; i++) {
            JsonNode child = parent.path(names[i]);
            parent = child instanceof ObjectNode inner ? inner : parent.putObject(names[i]);
        }
        parent.set(names[names.length - 1], value);
        return new JsonProperties(changed, changed.toString());
    }

    @Override
    public JsonProperties without(String key) {
        ObjectNode changed = object.deepCopy();
        changed.remove(key);
        int dot = key.lastIndexOf('.');
        if (dot > 0
                && changed.at("/" + key.substring(0, dot).replace('.', '/'))
                        instanceof ObjectNode parent) {
            parent.remove(key.substring(dot + 1));
        }
        return changed.equals(object) ? this : new JsonProperties(changed, changed.toString());
    }

    @Override
    public JsonProperties withoutMembers(String key) {
        return object.path(key).isObject() ? without(key) : this;
    }

    @Override
    public String render() {
        return written;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof JsonProperties that && object.equals(that.object);
    }

    @Override
    public int hashCode() {
        return object.hashCode();
    }

    @Override
    public String toString() {
        return written;
    }
}
