package org.vmckpt.agent.config;

import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.ZoneId;
import java.util.Locale;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.vmckpt.agent.schedule.Cron;
import org.vmckpt.agent.schedule.Every;
import org.vmckpt.agent.schedule.Timing;
import org.vmckpt.core.HumanDuration;
import org.vmckpt.core.HumanSize;
import org.vmckpt.cow.checkpoint.DiskIo;

/** How single values are read. An IllegalArgumentException says what was expected. */
final class Values {
    /** What a socket's address has room for, with its final zero. */
    private static final int MAX_SOCKET_PATH_BYTES = 107;

    private static final Pattern ADDRESS = Pattern.compile("(\\[[0-9A-Fa-f:.]+]|[^:\\s]+):(\\d+)");
    private static final Pattern GROUP = Pattern.compile("[A-Za-z_][A-Za-z0-9_.-]*");

    /** As libvirt takes them, but for names without any letter or digit. */
    private static final Pattern DOMAIN =
            Pattern.compile("(?=.*[\\p{L}\\p{N}])[^/\\p{Cntrl}]{1,255}");

    private static final Pattern LIBVIRT_URI = Pattern.compile("[a-z][a-z0-9+]*:///?\\S+");

    private Values() {}

    static Path path(String text) {
        try {
            Path path = Path.of(text);
            if (path.isAbsolute()) {
                return path.normalize();
            }
        } catch (InvalidPathException e) {
            // Reported like every other text that is no path.
        }
        throw new IllegalArgumentException(
                "expected an absolute path such as /run/vm1/qmp.sock, found '" + text + "'");
    }

    static Path socket(String text) {
        Path path = path(text);
        int length = path.toString().getBytes(StandardCharsets.UTF_8).length;
        if (length > MAX_SOCKET_PATH_BYTES) {
            throw new IllegalArgumentException(
                    "expected a path of at most "
                            + MAX_SOCKET_PATH_BYTES
                            + " bytes, as the kernel has room for, found "
                            + length);
        }
        return path;
    }

    static String group(String text) {
        if (!GROUP.matcher(text).matches()) {
            throw new IllegalArgumentException(
                    "expected the name of a group, found '" + text + "'");
        }
        return text;
    }

    static String domain(String text) {
        if (!DOMAIN.matcher(text).matches()) {
            throw new IllegalArgumentException(
                    "expected the name or UUID of a domain of libvirt, found '" + text + "'");
        }
        return text;
    }

    static String libvirtUri(String text) {
        if (!LIBVIRT_URI.matcher(text).matches()) {
            throw new IllegalArgumentException(
                    "expected a URI of libvirt such as qemu:///system, found '" + text + "'");
        }
        return text;
    }

    static boolean yesOrNo(String text) {
        return switch (text) {
            case "true" -> true;
            case "false" -> false;
            default ->
                    throw new IllegalArgumentException(
                            "expected true or false, found '" + text + "'");
        };
    }

    static Function<String, Integer> number(int least, int most) {
        return text -> {
            try {
                int value = Integer.parseInt(text);
                if (value >= least && value <= most) {
                    return value;
                }
            } catch (NumberFormatException e) {
                // Reported like a number that is out of range.
            }
            throw new IllegalArgumentException(
                    "expected a whole number from "
                            + least
                            + " to "
                            + most
                            + ", found '"
                            + text
                            + "'");
        };
    }

    static Function<String, Long> size(long least, long most) {
        return text -> {
            long bytes = HumanSize.parse(text);
            if (bytes < least || bytes > most) {
                throw new IllegalArgumentException(
                        "expected a size from "
                                + HumanSize.format(least)
                                + " to "
                                + HumanSize.format(most)
                                + ", found '"
                                + text
                                + "'");
            }
            return bytes;
        };
    }

    static Duration duration(String text) {
        Duration duration = HumanDuration.parse(text);
        if (duration.isZero()) {
            throw new IllegalArgumentException("expected a duration of more than 0");
        }
        return duration;
    }

    static DiskIo diskIo(String text) {
        for (DiskIo value : DiskIo.values()) {
            if (value.name().toLowerCase(Locale.ROOT).equals(text)) {
                return value;
            }
        }
        throw new IllegalArgumentException("expected auto, drain or reissue, found '" + text + "'");
    }

    static Timing every(String text) {
        return new Every(HumanDuration.parse(text));
    }

    static Timing cron(String text) {
        return new Cron(text, ZoneId.systemDefault());
    }

    /** A host and a port. */
    record Address(String host, int port) {
        static Address parse(String text) {
            Matcher matcher = ADDRESS.matcher(text);
            if (!matcher.matches()) {
                throw new IllegalArgumentException(
                        "expected HOST:PORT, such as 0.0.0.0:8443, found '" + text + "'");
            }
            int port = number(1, 65535).apply(matcher.group(2));
            return new Address(matcher.group(1).replaceAll("[\\[\\]]", ""), port);
        }
    }
}
