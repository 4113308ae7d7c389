package org.vmckpt.cow.definition;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * Properties in QEMU's own notation: {@code type,key=value,switch,noswitch}, where a comma inside a
 * value is doubled.
 *
 * @param impliedKey what a first word without {@code =} is the value of, or empty
 */
public record KeyvalProperties(List<Entry> entries, String impliedKey) implements OptionProperties {

    public KeyvalProperties {
        entries = List.copyOf(entries);
    }

    /**
     * One property.
     *
     * @param written as it stood on the command line, commas still doubled
     */
    record Entry(String key, String value, String written) {}

    static KeyvalProperties parse(String text, String impliedKey) {
        List<Entry> entries = new ArrayList<>();
        for (String item : split(text)) {
            entries.add(entry(item, entries.isEmpty() ? impliedKey : ""));
        }
        return new KeyvalProperties(entries, impliedKey);
    }

    private static Entry entry(String written, String impliedKey) {
        String text = written.replace(",,", ",");
        int equals = text.indexOf('=');
        if (equals >= 0) {
            return new Entry(text.substring(0, equals), text.substring(equals + 1), written);
        }
        if (!impliedKey.isEmpty()) {
            return new Entry(impliedKey, text, written);
        }
        boolean negated = text.startsWith("no") && text.length() > 2;
        return new Entry(negated ? text.substring(2) : text, negated ? "off" : "on", written);
    }

    /** Cuts at single commas; a doubled comma belongs to the value. */
    private static List<String> split(String text) {
        List<String> items = new ArrayList<>();
        StringBuilder item = new StringBuilder();
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c != ',') {
                item.append(c);
            } else if (i + 1 < text.length() && text.charAt(i + 1) == ',') {
                item.append(",,");
                i++;
            } else {
                items.add(item.toString());
                item.setLength(0);
            }
        }
        items.add(item.toString());
        return items;
    }

    /** The last one counts when a key is given more than once, as in QEMU. */
    @Override
    public Optional<String> get(String key) {
        return entries.stream()
                .filter(entry -> entry.key.equals(key))
                .reduce((first, second) -> second)
                .map(Entry::value);
    }

    /** All values of a key that may be given more than once, such as {@code hostfwd}. */
    public List<String> all(String key) {
        return entries.stream().filter(entry -> entry.key.equals(key)).map(Entry::value).toList();
    }

    @Override
    public KeyvalProperties with(String key, String value) {
        String escaped = value.replace(",", ",,");
        List<Entry> changed = new ArrayList<>();
        boolean found = false;
        for (Entry entry : entries) {
            if (!entry.key.equals(key)) {
                changed.add(entry);
            } else if (!found) {
                boolean implied = changed.isEmpty() && entry.written.indexOf('=') < 0;
                boolean bare = implied && key.equals(impliedKey) && value.indexOf('=') < 0;
                changed.add(new Entry(key, value, bare ? escaped : key + "=" + escaped));
                found = true;
            }
        }
        if (!found) {
            changed.add(new Entry(key, value, key + "=" + escaped));
        }
        return new KeyvalProperties(changed, impliedKey);
    }

    @Override
    public KeyvalProperties with(String key, long value) {
        return with(key, Long.toString(value));
    }

    @Override
    public KeyvalProperties without(String key) {
        return withoutMembers(key).keep(entry -> !entry.key.equals(key));
    }

    @Override
    public KeyvalProperties withoutMembers(String key) {
        return keep(entry -> !entry.key.startsWith(key + "."));
    }

    private KeyvalProperties keep(Predicate<Entry> wanted) {
        return new KeyvalProperties(entries.stream().filter(wanted).toList(), impliedKey);
    }

    @Override
    public String render() {
        return entries.stream().map(Entry::written).collect(Collectors.joining(","));
    }
}
