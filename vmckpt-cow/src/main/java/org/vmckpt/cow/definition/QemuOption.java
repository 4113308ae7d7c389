package org.vmckpt.cow.definition;

import java.util.Map;
import java.util.Optional;

/**
 * One option of a command line.
 *
 * @param name without the leading dashes; empty for a bare file name, which QEMU takes as the first
 *     hard disk
 * @param value absent for switches such as {@code -nodefaults}
 * @param origin who wrote it
 */
public record QemuOption(String name, Optional<String> value, Origin origin) {

    /** Whether an option was recorded with the checkpoint or given for this restore. */
    public enum Origin {
        RECORDED,
        GIVEN
    }

    /** What a first word without {@code =} means, by option; others have no such word. */
    private static final Map<String, String> IMPLIED_KEYS =
            Map.ofEntries(
                    Map.entry("accel", "accel"),
                    Map.entry("audiodev", "driver"),
                    Map.entry("chardev", "backend"),
                    Map.entry("cpu", "model"),
                    Map.entry("device", "driver"),
                    Map.entry("display", "type"),
                    Map.entry("fsdev", "fsdriver"),
                    Map.entry("m", "size"),
                    Map.entry("machine", "type"),
                    Map.entry("mon", "chardev"),
                    Map.entry("name", "guest"),
                    Map.entry("net", "type"),
                    Map.entry("netdev", "type"),
                    Map.entry("nic", "type"),
                    Map.entry("object", "qom-type"),
                    Map.entry("plugin", "file"),
                    Map.entry("smp", "cpus"),
                    Map.entry("tpmdev", "type"),
                    Map.entry("virtfs", "fsdriver"),
                    Map.entry("vnc", "vnc"));

    /** An option that a restore adds in the place of recorded ones. */
    public static QemuOption recorded(String name, String value) {
        return new QemuOption(name, Optional.of(value), Origin.RECORDED);
    }

    public boolean isGiven() {
        return origin == Origin.GIVEN;
    }

    /** The plain value, or an empty text for a switch. */
    public String text() {
        return value.orElse("");
    }

    public OptionProperties properties() {
        return OptionProperties.parse(text(), IMPLIED_KEYS.getOrDefault(name, ""));
    }

    /** The word that says what kind of thing the option makes, for example {@code user}. */
    public String type() {
        return properties().get(IMPLIED_KEYS.getOrDefault(name, "driver")).orElse("");
    }

    /** The name by which other options refer to the thing that this option makes. */
    public Optional<String> id() {
        return properties().get(name.equals("blockdev") ? "node-name" : "id");
    }

    public QemuOption withText(String text) {
        return value.equals(Optional.of(text))
                ? this
                : new QemuOption(name, Optional.of(text), origin);
    }

    public QemuOption withProperties(OptionProperties properties) {
        return withText(properties.render());
    }

    /** The option as a user would type it. */
    @Override
    public String toString() {
        String dashed = name.isEmpty() ? "" : "-" + name;
        return value.map(text -> (dashed + " " + text).strip()).orElse(dashed);
    }
}
