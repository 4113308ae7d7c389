package org.vmckpt.agent.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.vmckpt.agent.schedule.Every;
import org.vmckpt.core.store.Retention;
import org.vmckpt.cow.checkpoint.DiskIo;
import org.vmckpt.cow.checkpoint.GuestAddress;

class ConfigReaderTest {
    private static final Path EXAMPLE = Path.of("src/main/dist/etc/agent.yaml");
    private static final Pattern FIELD = Pattern.compile("( *)([a-z0-9-]+):( .*)?");

    @TempDir private Path folder;

    private AgentConfig read(List<String> lines) throws Exception {
        return ConfigReader.read(Files.write(folder.resolve("agent.yaml"), lines));
    }

    private List<String> problems(List<String> lines) throws IOException {
        Path file = Files.write(folder.resolve("agent.yaml"), lines);
        try {
            ConfigReader.read(file);
            return List.of();
        } catch (ConfigException e) {
            return String.valueOf(e.getMessage())
                    .lines()
                    .map(line -> line.replace(file.toString(), "FILE"))
                    .toList();
        }
    }

    @Test
    void theExampleIsReadInFull() throws Exception {
        AgentConfig config = ConfigReader.read(EXAMPLE);
        assertThat(config.store()).isEqualTo(Path.of("/var/lib/vmckpt"));
        assertThat(config.api().group()).contains("vmckpt");
        assertThat(config.api().tcp().orElseThrow().port()).isEqualTo(8443);
        assertThat(config.limits().requestBytes()).isEqualTo(64 << 10);
        AgentConfig.Guest guest = Objects.requireNonNull(config.guests().get("vm1"));
        assertThat(guest.address()).isEqualTo(GuestAddress.of(Path.of("/run/vm1/qmp.sock")));
        assertThat(config.guests().get("web"))
                .extracting(AgentConfig.Guest::address)
                .isEqualTo(new GuestAddress.Libvirt("qemu:///system", "web-1"));
        assertThat(guest.track()).isTrue();
        assertThat(guest.cowBudgetBytes()).hasValue(256 << 20);
        assertThat(guest.diskIo()).isEqualTo(DiskIo.AUTO);
        assertThat(config.volumes().get("vm1-disk"))
                .isEqualTo(
                        new AgentConfig.Volume(
                                "vm1-disk",
                                Path.of("/srv/vm1"),
                                Path.of("/run/vmckpt/vm1-disk.nbd")));
        AgentConfig.Schedule hourly = Objects.requireNonNull(config.schedules().get("vm1-hourly"));
        assertThat(hourly.timing()).isEqualTo(new Every(Duration.ofHours(1)));
        Retention keep = hourly.keep().orElseThrow();
        assertThat(keep.keepCount()).isEqualTo(OptionalInt.of(3));
        assertThat(keep.keepFor()).contains(Duration.ofMinutes(30));
        assertThat(keep.periods().weekly()).isEqualTo(4);
        assertThat(config.schedules().get("vm1-nightly"))
                .extracting(schedule -> schedule.keep().isEmpty())
                .isEqualTo(true);
    }

    @Test
    void anEmptyFileIsAllDefaults() throws Exception {
        AgentConfig config = read(List.of());
        assertThat(config.api().socket()).isEqualTo(ConfigReader.DEFAULT_SOCKET);
        assertThat(config.api().tcp()).isEmpty();
        assertThat(config.guests()).isEmpty();
    }

    /** Every line of the example that is a field. */
    static List<Integer> fields() throws IOException {
        List<String> lines = Files.readAllLines(EXAMPLE);
        List<Integer> fields = new ArrayList<>();
        for (int i = 0; i < lines.size(); i++) {
            if (FIELD.matcher(lines.get(i)).matches()) {
                fields.add(i);
            }
        }
        assertThat(fields).hasSizeGreaterThan(30);
        return fields;
    }

    @ParameterizedTest
    @MethodSource("fields")
    void eachFieldThatIsWrongIsNamedWithItsLine(int field) throws Exception {
        List<String> lines = Files.readAllLines(EXAMPLE);
        Matcher matcher = FIELD.matcher(lines.get(field));
        assertThat(matcher.matches()).isTrue();
        String name = matcher.group(2);
        // '!' is no path, number, size, duration, address, name or section.
        List<String> wrong = new ArrayList<>(lines.subList(0, field));
        wrong.add(matcher.group(1) + name + ": '!'");
        wrong.addAll(withoutChildren(lines, field, matcher.group(1).length()));
        assertThat(problems(wrong))
                .anySatisfy(problem ->
                        assertThat(problem)
                                .startsWith("FILE:" + (field + 1) + ": ")
                                .contains(name)
                                .contains("expected"));
    }

    @ParameterizedTest
    @MethodSource("fields")
    void eachFieldThatIsMisspeltOrThereTwiceIsNamedWithItsLine(int field) throws Exception {
        List<String> lines = Files.readAllLines(EXAMPLE);
        Matcher matcher = FIELD.matcher(lines.get(field));
        assertThat(matcher.matches()).isTrue();
        List<String> twice = new ArrayList<>(lines);
        twice.add(field, matcher.group(1) + matcher.group(2) + ": x");
        assertThat(problems(twice))
                .anySatisfy(problem ->
                        assertThat(problem)
                                .startsWith("FILE:" + (field + 2) + ": ")
                                .contains("twice"));
        List<String> misspelt = new ArrayList<>(lines);
        misspelt.add(field, matcher.group(1) + matcher.group(2) + "x.: 1");
        assertThat(problems(misspelt))
                .anySatisfy(
                        problem -> assertThat(problem).startsWith("FILE:" + (field + 1) + ": "));
    }

    private static List<String> withoutChildren(List<String> lines, int field, int indent) {
        int next = field + 1;
        while (next < lines.size() && lines.get(next).startsWith(" ".repeat(indent + 1))) {
            next++;
        }
        return lines.subList(next, lines.size());
    }

    @Test
    void allMistakesAreNamedAtOnce() throws Exception {
        assertThat(
                        problems(
                                List.of(
                                        "store: relative",
                                        "guests:",
                                        "  ../etc: {monitor: /x}",
                                        "  vm1: {}",
                                        "  vm2: {monitor: /run/a}",
                                        "  vm3: {monitor: /run/../run/a}",
                                        "schedules:",
                                        "  s1: {guest: vm9, every: 50ms, keep: {}}",
                                        "  s2: {guest: vm2, every: 1s, cron: '* * * * *'}",
                                        "  s3: {guest: vm2, cron: '61 * * * *'}")))
                .satisfiesExactly(
                        line -> assertThat(line).startsWith("FILE:1: store: expected an absolute"),
                        line -> assertThat(line).startsWith("FILE:3: guests: '../etc' is no name"),
                        line ->
                                assertThat(line)
                                        .startsWith("FILE:4: guests.vm1.monitor: is missing"),
                        line -> assertThat(line).startsWith("FILE:6: guests.vm3.monitor: is the"),
                        line -> assertThat(line).startsWith("FILE:8: schedules.s1.guest: expected"),
                        line -> assertThat(line).startsWith("FILE:8: schedules.s1.every: expected"),
                        line ->
                                assertThat(line)
                                        .startsWith("FILE:8: schedules.s1.keep.last: expec"),
                        line -> assertThat(line).startsWith("FILE:9: schedules.s2.every: expected"),
                        line -> assertThat(line).startsWith("FILE:10: schedules.s3.cron: "));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "domain: web, monitor: /run/a|domain: expected this field or monitor",
                "domain: 'a/b'|domain: expected the name or UUID",
                "domain: \"a\\tb\"|domain: expected the name or UUID",
                "domain: [web]|domain: expected one value",
                "domain: taken|domain: is the domain of guest first already",
                "domain: web, track: 1|track: expected true or false",
                "domain: web, connect: x|connect: is not known here"
            })
    void whatIsWrongWithADomainIsNamed(String fields, String problem) throws Exception {
        List<String> lines =
                List.of("guests:", "  first: {domain: taken}", "  vm: {" + fields + "}");
        assertThat(problems(lines))
                .singleElement()
                .asString()
                .startsWith("FILE:3: guests.vm." + problem);
    }

    @ParameterizedTest
    @CsvSource({"web-1", "Büro 3", "6f1c2b7e-3a4d-4f5b-8c6d-7e8f90a1b2c3", "a:b(c)#d"})
    void domainsAreNamedAsInLibvirtAndFoundWhereTheConfigurationSays(String name) throws Exception {
        AgentConfig config =
                read(
                        List.of(
                                "libvirt: {uri: 'qemu+unix:///system?socket=/run/x'}",
                                "guests: {vm: {domain: '" + name + "'}}"));
        assertThat(config.guests().get("vm"))
                .extracting(AgentConfig.Guest::address)
                .isEqualTo(new GuestAddress.Libvirt("qemu+unix:///system?socket=/run/x", name));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "store: [a|2",
                "store: /a~\tx: 1|2",
                "a: *x|1",
                "- a list|1",
                "just text|1",
                "\"\": 1|1"
            })
    void whatIsNotTheRightShapeIsNamedWithItsLine(String text, int line) throws Exception {
        assertThat(problems(List.of(text.split("~", -1))))
                .anySatisfy(problem -> assertThat(problem).contains("FILE:" + line + ": "));
    }

    @Test
    void aMissingFileSaysHowToNameOne() {
        assertThatExceptionOfType(ConfigException.class)
                .isThrownBy(() -> ConfigReader.read(folder.resolve("none.yaml")))
                .withMessageContaining("--config");
    }
}
