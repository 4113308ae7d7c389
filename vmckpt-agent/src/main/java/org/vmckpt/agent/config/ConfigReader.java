package org.vmckpt.agent.config;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.ZoneId;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.api.lowlevel.Compose;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;
import org.vmckpt.agent.config.AgentConfig.Api;
import org.vmckpt.agent.config.AgentConfig.Guest;
import org.vmckpt.agent.config.AgentConfig.Limits;
import org.vmckpt.agent.config.AgentConfig.Schedule;
import org.vmckpt.agent.config.AgentConfig.Tcp;
import org.vmckpt.agent.config.AgentConfig.Volume;
import org.vmckpt.agent.config.Values.Address;
import org.vmckpt.agent.schedule.Timing;
import org.vmckpt.core.libvirt.LibvirtHost;
import org.vmckpt.core.store.KeepPeriods;
import org.vmckpt.core.store.Retention;
import org.vmckpt.cow.hook.HookSettings;

/** Reads the configuration; nothing of a file with a mistake is used. */
public final class ConfigReader {
    private static final int MAX_FILE_BYTES = 1 << 20;
    private static final Path DEFAULT_STORE = Path.of("/var/lib/vmckpt");
    public static final Path DEFAULT_SOCKET = Path.of("/run/vmckpt/agent.sock");
    private static final int MAX_COUNT = 100_000;

    /** Where each field goes that is wrong or missing; the result is then thrown away. */
    static final Path NOWHERE = Path.of("/nonexistent");

    private ConfigReader() {}

    /**
     * Reads a file.
     *
     * @throws ConfigException with everything that is wrong in it
     */
    public static AgentConfig read(Path file) throws ConfigException {
        Problems problems = new Problems(file);
        Section top = compose(text(file, problems), problems);
        problems.throwIfAny();
        AgentConfig config = config(top);
        problems.throwIfAny();
        return config;
    }

    private static String text(Path file, Problems problems) {
        try {
            if (Files.size(file) <= MAX_FILE_BYTES) {
                return Files.readString(file);
            }
            problems.add(0, "is larger than 1 MiB, so it is no configuration");
        } catch (NoSuchFileException e) {
            problems.add(0, "is not there; give the configuration with --config FILE");
        } catch (CharacterCodingException e) {
            problems.add(0, "is not text in UTF-8");
        } catch (IOException e) {
            problems.add(0, "cannot be read: " + e);
        }
        return "";
    }

    private static Section compose(String text, Problems problems) {
        LoadSettings settings = LoadSettings.builder().setMaxAliasesForCollections(0).build();
        try {
            return new Compose(settings)
                    .composeString(text)
                    .map(node -> Section.of("", node, problems))
                    .orElseGet(() -> Section.empty("", 1, problems));
        } catch (MarkedYamlEngineException e) {
            problems.add(Problems.line(e.getProblemMark()), "is not YAML here: " + e.getProblem());
        } catch (YamlEngineException e) {
            problems.add(0, "is not YAML: " + e.getMessage());
        }
        return Section.empty("", 1, problems);
    }

    private static AgentConfig config(Section top) {
        Path store = top.value("store", Values::path).orElse(DEFAULT_STORE);
        Api api = api(top.section("api"));
        Limits limits = limits(top.section("limits"));
        String libvirtUri = libvirtUri(top.section("libvirt"));
        Map<String, Section> guests = top.section("guests").namedSections();
        Map<String, Section> schedules = top.section("schedules").namedSections();
        Map<String, Volume> volumes = VolumesSection.read(top.section("volumes"));
        HookSettings hooks = HooksSection.read(top.section("hooks"));
        top.end();
        Map<String, Schedule> readSchedules = new HashMap<>();
        Set<String> scheduled = new HashSet<>();
        schedules.forEach((name, section) -> {
            Schedule schedule = schedule(name, section, guests.keySet());
            scheduled.add(schedule.guest());
            readSchedules.put(name, schedule);
        });
        Map<String, Guest> readGuests = GuestsSection.read(guests, libvirtUri, scheduled);
        return new AgentConfig(store, api, limits, readGuests, readSchedules, volumes, hooks);
    }

    private static Api api(Section section) {
        Path socket = section.value("socket", Values::socket).orElse(DEFAULT_SOCKET);
        Optional<String> group = section.value("group", Values::group);
        Optional<Tcp> tcp =
                section.has("tcp") ? Optional.of(tcp(section.section("tcp"))) : Optional.empty();
        section.end();
        return new Api(socket, group, tcp);
    }

    private static Tcp tcp(Section section) {
        Address address =
                section.required("address", Address::parse).orElse(new Address("localhost", 1));
        Path certificate = section.required("certificate", Values::path).orElse(NOWHERE);
        Path key = section.required("key", Values::path).orElse(NOWHERE);
        Path clients = section.required("clients", Values::path).orElse(NOWHERE);
        section.end();
        return new Tcp(address.host(), address.port(), certificate, key, clients);
    }

    private static Limits limits(Section section) {
        int jobs = section.value("jobs", Values.number(1, 64)).orElse(2);
        int waiting = section.value("waiting", Values.number(1, 10_000)).orElse(100);
        long request = section.value("request", Values.size(1 << 10, 16 << 20)).orElse(64L << 10);
        long header = section.value("header", Values.size(1 << 10, 1 << 20)).orElse(8L << 10);
        int connections = section.value("connections", Values.number(4, 10_000)).orElse(256);
        section.end();
        return new Limits(jobs, waiting, (int) request, (int) header, connections);
    }

    private static String libvirtUri(Section section) {
        String uri = section.value("uri", Values::libvirtUri).orElse(LibvirtHost.DEFAULT_URI);
        section.end();
        return uri;
    }

    private static Schedule schedule(String name, Section section, Set<String> guests) {
        String guest =
                section.required(
                                "guest",
                                text -> {
                                    if (!guests.contains(text)) {
                                        throw new IllegalArgumentException(
                                                "expected one of the guests "
                                                        + guests
                                                        + ", found '"
                                                        + text
                                                        + "'");
                                    }
                                    return text;
                                })
                        .orElse("");
        Optional<Timing> every = section.value("every", Values::every);
        Optional<Timing> cron = section.value("cron", Values::cron);
        if (section.has("every") == section.has("cron")) {
            section.problem("every", "expected this field or cron, one of the two");
        }
        boolean quiesce = section.value("quiesce", Values::yesOrNo).orElse(false);
        Optional<Retention> keep =
                section.has("keep") ? keep(section.section("keep")) : Optional.empty();
        section.end();
        Timing timing = every.or(() -> cron).orElseGet(() -> Values.every("1h"));
        return new Schedule(name, guest, timing, quiesce, keep);
    }

    private static Optional<Retention> keep(Section section) {
        Optional<Integer> last = section.value("last", Values.number(1, MAX_COUNT));
        Optional<Duration> time = section.value("for", Values::duration);
        KeepPeriods periods =
                new KeepPeriods(
                        section.value("hourly", Values.number(0, MAX_COUNT)).orElse(0),
                        section.value("daily", Values.number(0, MAX_COUNT)).orElse(0),
                        section.value("weekly", Values.number(0, MAX_COUNT)).orElse(0),
                        ZoneId.systemDefault());
        section.end();
        try {
            return Optional.of(
                    new Retention(
                            last.map(OptionalInt::of).orElse(OptionalInt.empty()), time, periods));
        } catch (IllegalArgumentException e) {
            section.problem("last", "expected at least one of last, for, hourly, daily, weekly");
            return Optional.empty();
        }
    }
}
