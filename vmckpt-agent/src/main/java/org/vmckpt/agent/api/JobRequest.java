package org.vmckpt.agent.api;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import org.vmckpt.agent.guest.CheckpointOrder;
import org.vmckpt.cow.checkpoint.DiskIo;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.cow.checkpoint.Quiesce;

/**
 * The body that asks for a job.
 *
 * @param kind {@code checkpoint}, {@code release}, {@code lend} or {@code verify}
 * @param guest a name of the configuration; or {@code libvirt:} and the name or UUID of a domain
 *     that is in it; or {@code qmp:} and the path of a monitor, for root
 * @param checkpoint what is verified
 * @param agentSocket of the guest's agent; for root
 * @param pid of the process that a guest is lent to
 */
record JobRequest(
        Optional<String> kind,
        Optional<String> guest,
        Optional<String> checkpoint,
        Optional<String> name,
        Optional<String> engine,
        Optional<Boolean> full,
        Optional<Long> cowBudgetBytes,
        Optional<Long> drainTimeoutMillis,
        Optional<String> diskIo,
        Optional<Boolean> quiesce,
        Optional<String> agentSocket,
        Optional<Long> pid) {
    static final String QMP = "qmp:";
    static final String LIBVIRT = "libvirt:";
    private static final int MAX_NAME = 128;

    /** A day; what is longer is a mistake. */
    private static final long MAX_DRAIN_MILLIS = Duration.ofDays(1).toMillis();

    CheckpointOrder order() throws BadRequestException {
        String label = name.orElse("-");
        if (label.isEmpty()
                || label.length() > MAX_NAME
                || label.chars().anyMatch(Character::isISOControl)) {
            throw bad("name", "1 to " + MAX_NAME + " characters, no control characters");
        }
        if (cowBudgetBytes.filter(bytes -> bytes < 1).isPresent()) {
            throw bad("cowBudgetBytes", "1 or more");
        }
        if (drainTimeoutMillis.filter(it -> it < 1 || it > MAX_DRAIN_MILLIS).isPresent()) {
            throw bad("drainTimeoutMillis", "1 to " + MAX_DRAIN_MILLIS);
        }
        return new CheckpointOrder(
                name,
                engine.isEmpty() || engine.get().equals("auto")
                        ? Optional.empty()
                        : Optional.of(one("engine", EngineName.values(), engine.get())),
                full.orElse(false),
                cowBudgetBytes.map(OptionalLong::of).orElse(OptionalLong.empty()),
                drainTimeoutMillis.map(Duration::ofMillis),
                diskIo.isEmpty()
                        ? Optional.empty()
                        : Optional.of(one("diskIo", DiskIo.values(), diskIo.get())),
                quiesce.orElse(false) ? Optional.of(new Quiesce(socket())) : Optional.empty());
    }

    private Optional<Path> socket() throws BadRequestException {
        return agentSocket.isPresent()
                ? Optional.of(absolute("agentSocket", agentSocket.get(), "an absolute path"))
                : Optional.empty();
    }

    /** The path after {@code qmp:}. */
    static Path monitor(String reference) throws BadRequestException {
        String path = reference.substring(QMP.length());
        return absolute("guest", path, "qmp: and an absolute path");
    }

    private static Path absolute(String field, String text, String expected)
            throws BadRequestException {
        try {
            Path path = Path.of(text);
            if (path.isAbsolute()) {
                return path.normalize();
            }
        } catch (InvalidPathException e) {
            // Reported like a path that is not absolute.
        }
        throw bad(field, expected);
    }

    private static <E extends Enum<E>> E one(String field, E[] values, String text)
            throws BadRequestException {
        return Arrays.stream(values)
                .filter(value -> value.name().toLowerCase(Locale.ROOT).equals(text))
                .findFirst()
                .orElseThrow(() ->
                        bad(field, "one of " + Arrays.toString(values).toLowerCase(Locale.ROOT)));
    }

    static BadRequestException bad(String field, String expected) {
        return new BadRequestException(400, field + ": expected " + expected);
    }
}
