package org.vmckpt.cow.nbd;

import java.util.Collection;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;

/** The exports of a server by name. The empty name means the only one, if there is one only. */
final class Exports {
    private final Map<String, Export> byName;

    Exports(Collection<Export> exports) {
        this.byName = exports.stream().collect(Collectors.toMap(Export::name, Function.identity()));
    }

    Optional<Export> find(String name) {
        if (name.isEmpty() && byName.size() == 1) {
            return Optional.of(byName.values().iterator().next());
        }
        return Optional.ofNullable(byName.get(name));
    }

    Collection<Export> all() {
        return byName.values();
    }
}
