package org.vmckpt.agent.config;

import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.cow.hook.HookEvent;
import org.vmckpt.cow.hook.HookSettings;
import org.vmckpt.cow.hook.Webhook;

/** The section {@code hooks}. */
final class HooksSection {
    private static final String NO_FOLDER = "none";
    private static final Duration LONGEST = Duration.ofHours(1);
    private static final URI NOWHERE = URI.create("http://localhost");

    private HooksSection() {}

    static HookSettings read(Section section) {
        Optional<Optional<Path>> folder = section.value("folder", HooksSection::folder);
        Duration limit =
                section.value("timeout", HooksSection::limit).orElse(HookSettings.DEFAULT_LIMIT);
        Duration pauseLimit =
                section.value("pause-limit", HooksSection::pauseLimit)
                        .orElse(HookSettings.DEFAULT_PAUSE_LIMIT);
        List<Webhook> webhooks = new ArrayList<>();
        Map<String, Section> named = section.section("webhooks").namedSections();
        named.forEach((name, fields) -> webhooks.add(webhook(name, fields)));
        section.end();
        return new HookSettings(
                folder.orElse(Optional.of(HookSettings.DEFAULT_FOLDER)),
                folder.isPresent(),
                webhooks,
                limit,
                pauseLimit);
    }

    private static Webhook webhook(String name, Section section) {
        Webhook webhook =
                new Webhook(
                        name,
                        section.required("url", Webhook::parseUrl).orElse(NOWHERE),
                        section.value("events", HooksSection::events).orElse(Webhook.usualEvents()),
                        section.value("connect-timeout", HooksSection::limit)
                                .orElse(Webhook.DEFAULT_CONNECT_LIMIT),
                        section.value("timeout", HooksSection::limit)
                                .orElse(Webhook.DEFAULT_LIMIT));
        section.end();
        return webhook;
    }

    private static Optional<Path> folder(String text) {
        return text.equals(NO_FOLDER) ? Optional.empty() : Optional.of(Values.path(text));
    }

    private static Duration limit(String text) {
        Duration limit = Values.duration(text);
        if (limit.compareTo(LONGEST) > 0) {
            throw new IllegalArgumentException("expected at most 1h, found '" + text + "'");
        }
        return limit;
    }

    private static Duration pauseLimit(String text) {
        Duration limit = Values.duration(text);
        if (limit.compareTo(HookSettings.LONGEST_PAUSE) > 0) {
            throw new IllegalArgumentException(
                    "expected at most 1s, for which the guest stands still, found '" + text + "'");
        }
        return limit;
    }

    private static Set<HookEvent> events(String text) {
        Set<HookEvent> events = EnumSet.noneOf(HookEvent.class);
        for (String word : text.strip().split("[\\s,]+", -1)) {
            events.add(
                    HookEvent.of(word)
                            .orElseThrow(() ->
                                    new IllegalArgumentException(
                                            "expected events of "
                                                    + Arrays.stream(HookEvent.values())
                                                            .map(HookEvent::text)
                                                            .toList()
                                                    + ", found '"
                                                    + word
                                                    + "'")));
        }
        return events;
    }
}
