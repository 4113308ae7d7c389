package org.vmckpt.cow.hook;

import java.net.URI;
import java.net.URISyntaxException;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Set;

/**
 * An HTTP endpoint that messages are posted to.
 *
 * @param name for logs
 * @param connectLimit until there is a connection
 * @param limit from the start to the end of the answer
 */
public record Webhook(
        String name, URI url, Set<HookEvent> events, Duration connectLimit, Duration limit) {
    public static final Duration DEFAULT_CONNECT_LIMIT = Duration.ofSeconds(3);
    public static final Duration DEFAULT_LIMIT = Duration.ofSeconds(10);

    public Webhook {
        events = Set.copyOf(events);
    }

    /** One that hears everything that holds up no guest. */
    public static Webhook of(String name, URI url) {
        return new Webhook(name, url, usualEvents(), DEFAULT_CONNECT_LIMIT, DEFAULT_LIMIT);
    }

    /** All but the pause. */
    public static Set<HookEvent> usualEvents() {
        return EnumSet.complementOf(EnumSet.of(HookEvent.PAUSED));
    }

    /** IllegalArgumentException says what was expected. */
    public static URI parseUrl(String text) {
        try {
            URI url = new URI(text);
            String scheme = String.valueOf(url.getScheme()).toLowerCase(Locale.ROOT);
            if ((scheme.equals("http") || scheme.equals("https"))
                    && url.getHost() != null
                    && url.getUserInfo() == null) {
                return url;
            }
        } catch (URISyntaxException e) {
            // Reported like every other text that is no such URL.
        }
        throw new IllegalArgumentException(
                "expected a URL such as https://host/path, found '" + text + "'");
    }
}
