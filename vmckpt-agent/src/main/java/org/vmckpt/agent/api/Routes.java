package org.vmckpt.agent.api;

import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.eclipse.jetty.http.pathmap.MatchedResource;
import org.eclipse.jetty.http.pathmap.PathMappings;
import org.eclipse.jetty.http.pathmap.UriTemplatePathSpec;

/** Which endpoint answers which request. */
final class Routes {
    private final PathMappings<Map<String, Endpoint>> paths = new PathMappings<>();
    private final Map<String, Map<String, Endpoint>> byTemplate = new TreeMap<>();

    /** What was found for a request. */
    record Match(Map<String, Endpoint> methods, Map<String, String> parameters) {}

    Routes add(String method, String template, Endpoint endpoint) {
        byTemplate
                .computeIfAbsent(
                        template,
                        _ -> {
                            Map<String, Endpoint> methods = new TreeMap<>();
                            paths.put(new UriTemplatePathSpec(template), methods);
                            return methods;
                        })
                .put(method, endpoint);
        return this;
    }

    Optional<Match> find(String path) {
        MatchedResource<Map<String, Endpoint>> matched = paths.getMatched(path);
        if (matched == null || !(matched.getPathSpec() instanceof UriTemplatePathSpec template)) {
            return Optional.empty();
        }
        Map<String, String> parameters = template.getPathParams(path);
        return Optional.of(
                new Match(matched.getResource(), parameters == null ? Map.of() : parameters));
    }

    /** Each method and path, for example {@code GET /v1/jobs/{job}}. */
    Set<String> all() {
        Set<String> all = new TreeSet<>();
        byTemplate.forEach((template, methods) ->
                methods.keySet().forEach(method -> all.add(method + " " + template)));
        return all;
    }
}
