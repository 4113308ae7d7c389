package org.vmckpt.agent.config;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import org.snakeyaml.engine.v2.nodes.MappingNode;
import org.snakeyaml.engine.v2.nodes.Node;
import org.snakeyaml.engine.v2.nodes.NodeTuple;
import org.snakeyaml.engine.v2.nodes.ScalarNode;

/**
 * A mapping of the file. Whoever reads it asks for every field that there is, and then for {@link
 * #end}, which reports the others.
 */
final class Section {
    private static final int MOST_SHOWN = 60;

    private final String path;
    private final int line;
    private final Problems problems;
    private final Map<String, NodeTuple> fields = new LinkedHashMap<>();
    private final Set<String> known = new TreeSet<>();

    private Section(String path, int line, Problems problems) {
        this.path = path;
        this.line = line;
        this.problems = problems;
    }

    /** An empty section has only defaults, and misses what must be there. */
    static Section empty(String path, int line, Problems problems) {
        return new Section(path, line, problems);
    }

    static Section of(String path, Node node, Problems problems) {
        Section section = new Section(path, Problems.line(node.getStartMark()), problems);
        if (node instanceof MappingNode mapping) {
            mapping.getValue().forEach(section::add);
        } else if (!isNull(node)) {
            problems.add(
                    section.line,
                    section.named() + "expected fields with values, found " + describe(node));
        }
        return section;
    }

    private void add(NodeTuple tuple) {
        int at = Problems.line(tuple.getKeyNode().getStartMark());
        // The parser refuses other keys.
        ScalarNode key = (ScalarNode) tuple.getKeyNode();
        if (fields.putIfAbsent(key.getValue(), tuple) != null) {
            problems.add(at, path(key.getValue()) + ": is there twice; remove one of the two");
        }
    }

    int line() {
        return line;
    }

    int line(String field) {
        NodeTuple tuple = fields.get(field);
        return tuple == null ? line : Problems.line(tuple.getKeyNode().getStartMark());
    }

    String path(String field) {
        return path.isEmpty() ? field : path + "." + field;
    }

    private String named() {
        return path.isEmpty() ? "" : path + ": ";
    }

    boolean has(String field) {
        known.add(field);
        return fields.containsKey(field);
    }

    /**
     * The field's value.
     *
     * @param parser its IllegalArgumentException says what was expected
     * @return empty when the field is not there, or is wrong, which is reported
     */
    <T> Optional<T> value(String field, Function<String, T> parser) {
        if (!has(field)) {
            return Optional.empty();
        }
        NodeTuple tuple = fields.get(field);
        int at = tuple == null ? line : Problems.line(tuple.getValueNode().getStartMark());
        if (tuple == null
                || !(tuple.getValueNode() instanceof ScalarNode scalar)
                || isNull(scalar)) {
            problems.add(at, path(field) + ": expected one value");
            return Optional.empty();
        }
        try {
            return Optional.of(parser.apply(scalar.getValue()));
        } catch (IllegalArgumentException e) {
            problems.add(at, path(field) + ": " + e.getMessage());
            return Optional.empty();
        }
    }

    /** The same for a field that must be there. */
    <T> Optional<T> required(String field, Function<String, T> parser) {
        if (!has(field)) {
            problems.add(line, path(field) + ": is missing");
        }
        return value(field, parser);
    }

    /** A section inside of this one; an empty one when it is not there. */
    Section section(String field) {
        NodeTuple tuple = has(field) ? fields.get(field) : null;
        return tuple == null
                ? empty(path(field), line, problems)
                : of(path(field), tuple.getValueNode(), problems);
    }

    /** The sections inside of this one, whose names are the user's own. */
    Map<String, Section> namedSections() {
        Map<String, Section> sections = new LinkedHashMap<>();
        for (String name : fields.keySet()) {
            if (AgentConfig.NAME.matcher(name).matches()) {
                sections.put(name, section(name));
            } else {
                known.add(name);
                problems.add(
                        line(name),
                        named()
                                + "'"
                                + shown(name)
                                + "' is no name: expected letters, digits, '.', '_' and '-', at"
                                + " most 64, the first a letter or digit");
            }
        }
        return sections;
    }

    void problem(String field, String message) {
        problems.add(line(field), path(field) + ": " + message);
    }

    /** Reports the fields that nobody asked for. */
    void end() {
        for (String field : fields.keySet()) {
            if (!known.contains(field)) {
                problem(shown(field), "is not known here; expected one of " + known);
            }
        }
    }

    private static boolean isNull(Node node) {
        return node instanceof ScalarNode scalar
                && scalar.isPlain()
                && (scalar.getValue().isEmpty() || scalar.getValue().equals("null"));
    }

    private static String describe(Node node) {
        return node instanceof ScalarNode scalar ? "'" + shown(scalar.getValue()) + "'" : "a list";
    }

    private static String shown(String text) {
        return text.length() <= MOST_SHOWN ? text : text.substring(0, MOST_SHOWN) + "…";
    }
}
