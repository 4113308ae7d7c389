package org.vmckpt.cow.definition;

import java.util.Optional;

/**
 * The properties that an option's value holds. Keys are dotted paths: {@code file.filename} is the
 * member {@code filename} of {@code file}, however it was written.
 */
public sealed interface OptionProperties permits KeyvalProperties, JsonProperties {

    /** Text of a scalar property; booleans are {@code on} and {@code off}. Empty when absent. */
    Optional<String> get(String key);

    /** The same properties with one replaced in place, or added at the end. */
    OptionProperties with(String key, String value);

    /** The same with a number, which JSON writes otherwise than a text. */
    OptionProperties with(String key, long value);

    /** The same properties without {@code key} and without everything below it. */
    OptionProperties without(String key);

    /** The same properties without what is below {@code key}; the key itself stays. */
    OptionProperties withoutMembers(String key);

    /** As QEMU takes it. Unchanged properties are rendered as they were written. */
    String render();

    default boolean isOn(String key) {
        return get(key).filter(value -> value.equals("on") || value.equals("yes")).isPresent();
    }

    /**
     * Reads an option's value; text that starts like JSON but is not falls back to pairs.
     *
     * @param impliedKey what a first word without {@code =} is the value of; may be empty, then
     *     such a word is a switch like every later one
     */
    static OptionProperties parse(String text, String impliedKey) {
        if (text.startsWith("{")) {
            Optional<JsonProperties> json = JsonProperties.parse(text);
            if (json.isPresent()) {
                return json.get();
            }
        }
        return KeyvalProperties.parse(text, impliedKey);
    }
}
