package org.vmckpt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Json;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;

/** The commands that work on a store, on real stores. */
class StoreCommandsTest {
    @TempDir private Path folder = Path.of("");
    private Path store = Path.of("");

    @BeforeEach
    void nameStore() {
        store = folder.resolve("store");
    }

    @Test
    void listShowsEveryCheckpointWithItsSize() throws VmckptException {
        Manifest first = StoreFixture.checkpoint(store, "one", 1);
        Manifest second = StoreFixture.checkpoint(store, "two", 2);

        assertThat(run("list").succeeds().out())
                .contains(first.id().value(), second.id().value(), "one", "two", "web-1", "64 KiB");
        JsonNode checkpoints = run("list", "--json").succeeds().json().get("checkpoints");
        assertThat(checkpoints).hasSize(2);
        assertThat(checkpoints.get(0).get("memoryBytes").asLong()).isEqualTo(65536);
        assertThat(checkpoints.get(0).get("storedBytes").asLong()).isGreaterThan(65536);
    }

    @Test
    void listOfAStoreThatDoesNotExistIsNotFoundAndCreatesNothing() {
        assertThat(run("list").endsWith(ExitCode.NOT_FOUND).err()).contains(store.toString());
        JsonNode error = run("list", "--json").endsWith(ExitCode.NOT_FOUND).json().get("error");
        assertThat(error.get("kind").asText()).isEqualTo("not-found");
        assertThat(error.get("exitCode").asInt()).isEqualTo(ExitCode.NOT_FOUND.number());
        assertThat(store).doesNotExist();
    }

    @Test
    void storeMayBeNamedBeforeOrAfterTheCommand() throws VmckptException {
        StoreFixture.checkpoint(store, "one", 1);

        CommandRun.of("--store", store.toString(), "list").succeeds();
        CommandRun.of("list", "--store", store.toString()).succeeds();
        CommandRun.of("--store=" + store, "--json", "list").succeeds().json();
    }

    @Test
    void debugPrintsTheStackTraceOfAnError() {
        assertThat(run("list").err()).doesNotContain("\tat ");
        assertThat(run("list", "--debug").err()).contains("\tat ");
    }

    @Test
    void showPrintsTheGuestAndWhatWasMeasured() throws VmckptException {
        Manifest manifest = StoreFixture.checkpoint(store, "one", 1);

        assertThat(run("show", "one").succeeds().out())
                .contains(manifest.id().value(), "web-1", "7.2.22", "Pause  3.50 ms");
        JsonNode json = run("show", "latest", "--json").succeeds().json();
        assertThat(json.get("id").asText()).isEqualTo(manifest.id().value());
        assertThat(json.at("/statistics/pauseMicros").asLong()).isEqualTo(3_500);
    }

    @Test
    void unknownCheckpointIsNotFoundByName() throws VmckptException {
        StoreFixture.checkpoint(store, "one", 1);

        for (String command : List.of("show", "verify", "remove")) {
            assertThat(run(command, "nonesuch").endsWith(ExitCode.NOT_FOUND).err())
                    .contains("nonesuch")
                    .doesNotContain("\tat ");
        }
    }

    @Test
    void verifyFindsAWholeStoreIntact() throws VmckptException {
        StoreFixture.checkpoint(store, "one", 1);
        StoreFixture.checkpoint(store, "two", 2);

        assertThat(run("verify", "--all").succeeds().out().lines())
                .hasSize(2)
                .allMatch(line -> line.contains(": intact: "));
    }

    @Test
    void verifyNamesTheDamagedSegmentAndEndsAsCorrupt() throws Exception {
        Manifest manifest = StoreFixture.checkpoint(store, "one", 1);
        SegmentName damaged = manifest.memory().getFirst().layers().getFirst();
        flipByteInTheMiddle(StoreFixture.segmentFile(store, damaged));

        CommandRun run = run("verify", "one").endsWith(ExitCode.CORRUPT);
        assertThat(run.out()).contains("DAMAGED", damaged.value(), "block");
        JsonNode json = run("verify", "one", "--json").endsWith(ExitCode.CORRUPT).json();
        assertThat(json.get("intact").asBoolean()).isFalse();
        assertThat(json.at("/checkpoints/0/problems/0").asText()).contains(damaged.value());
    }

    @Test
    void removeTakesOneCheckpointAndLeavesTheOther() throws VmckptException {
        StoreFixture.checkpoint(store, "one", 1);
        StoreFixture.checkpoint(store, "two", 2);

        assertThat(run("remove", "one").succeeds().out()).contains("removed");
        assertThat(run("list").succeeds().out()).contains("two").doesNotContain("one");
        run("verify", "--all").succeeds();
    }

    @Test
    void removeOfSeveralWithOneUnknownRemovesNothing() throws VmckptException {
        StoreFixture.checkpoint(store, "one", 1);

        run("remove", "one", "nonesuch").endsWith(ExitCode.NOT_FOUND);
        run("show", "one").succeeds();
    }

    @Test
    void exportThroughAPipeArrivesInASecondStore() throws VmckptException {
        Manifest manifest = StoreFixture.checkpoint(store, "one", 1);
        String second = folder.resolve("second").toString();

        CommandRun export = run("export", "one", "-").succeeds();
        CommandRun imported =
                CommandRun.withInput(export.outBytes(), "import", "-", "--store", second, "--json");

        assertThat(imported.succeeds().json().get("id").asText()).isEqualTo(manifest.id().value());
        CommandRun.of("verify", "--all", "--store", second).succeeds();
        assertThat(export.err()).contains("exported");
    }

    @Test
    void exportToAFileIsWholeAndPrivate() throws Exception {
        StoreFixture.checkpoint(store, "one", 1);
        Path file = folder.resolve("one.tar.zst");

        JsonNode json = run("export", "one", file.toString(), "--json").succeeds().json();

        assertThat(json.get("bytes").asLong()).isEqualTo(Files.size(file));
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .isEqualTo("rw-------");
        assertThat(names(folder)).containsExactlyInAnyOrder("store", "one.tar.zst");
        CommandRun.of("import", file.toString(), "--store", folder.resolve("second").toString())
                .succeeds();
    }

    @Test
    void exportNeverReplacesAFile() throws Exception {
        StoreFixture.checkpoint(store, "one", 1);
        Path file = Files.writeString(folder.resolve("precious"), "precious");

        run("export", "one", file.toString()).endsWith(ExitCode.CONFLICT);
        assertThat(file).hasContent("precious");
    }

    @Test
    void exportIntoAMissingFolderSaysSo() throws VmckptException {
        StoreFixture.checkpoint(store, "one", 1);

        assertThat(
                        run("export", "one", folder.resolve("missing/file").toString())
                                .endsWith(ExitCode.NOT_FOUND)
                                .err())
                .contains("folder");
    }

    @Test
    void exportWhoseReaderGoesAwayIsATransportError() throws VmckptException {
        StoreFixture.checkpoint(store, "one", 1);
        OutputStream closed =
                new OutputStream() {
                    @Override
                    public void write(int b) throws IOException {
                        throw new IOException("Broken pipe");
                    }
                };
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Streams streams =
                new Streams(InputStream.nullInputStream(), closed, err, false, false, false);

        int exitCode =
                Vmckpt.run(streams, "export", "one", "-", "--json", "--store", store.toString());

        assertThat(exitCode).isEqualTo(ExitCode.TRANSPORT.number());
        assertThat(err.toString(StandardCharsets.UTF_8)).contains("\"transport\"", "Broken pipe");
    }

    @Test
    void importOfACutStreamLeavesNothingVisible() throws VmckptException {
        StoreFixture.checkpoint(store, "one", 1);
        byte[] whole = run("export", "one", "-").succeeds().outBytes();
        String second = folder.resolve("second").toString();

        CommandRun.withInput(
                        Arrays.copyOf(whole, whole.length / 2), "import", "-", "--store", second)
                .endsWith(ExitCode.CORRUPT);
        assertThat(CommandRun.of("list", "--store", second).succeeds().out())
                .contains("No checkpoints");
    }

    @Test
    void importOfAMissingFileIsNotFound() {
        assertThat(
                        run("import", folder.resolve("missing").toString())
                                .endsWith(ExitCode.NOT_FOUND)
                                .err())
                .contains("missing");
    }

    @Test
    void cleanReportsWhatItRemoved() throws VmckptException {
        StoreFixture.checkpoint(store, "one", 1);

        JsonNode json = run("clean", "--json").succeeds().json();
        assertThat(json.get("segmentsRemoved").asInt()).isZero();
        run("verify", "--all").succeeds();
    }

    @Test
    void compactMakesOneSegmentOfAChainAndSaysSo() throws Exception {
        Manifest first = StoreFixture.checkpoint(store, "one", 1);
        StoreFixture.checkpointOn(store, first, "two", 2);
        byte[] before = StoreFixture.memory(store, "two");
        assertThat(run("show", "two").succeeds().out()).contains("2 layers");

        JsonNode none = run("compact", "--json").succeeds().json();
        JsonNode json = run("compact", "two", "--max-layers", "1", "--json").succeeds().json();

        assertThat(none.get("runsFolded").asInt()).isZero();
        assertThat(json.get("runsFolded").asInt()).isOne();
        assertThat(json.get("segmentsFolded").asInt()).isEqualTo(2);
        assertThat(json.get("checkpointsChanged").asInt()).isOne();
        assertThat(json.at("/cleaned/segmentsRemoved").asInt()).isOne();
        assertThat(StoreFixture.memory(store, "two")).isEqualTo(before);
        run("verify", "--all").succeeds();
        assertThat(run("compact").succeeds().out()).contains("Folded 0 segments");
        run("compact", "--max-layers", "0").endsWith(ExitCode.USAGE);
        run("compact", "nonesuch").endsWith(ExitCode.NOT_FOUND);
    }

    @Test
    void compactOfADamagedChainLeavesItAndEndsAsCorrupt() throws Exception {
        Manifest first = StoreFixture.checkpoint(store, "one", 1);
        StoreFixture.checkpointOn(store, first, "two", 2);
        SegmentName damaged = first.memory().getFirst().layers().getFirst();
        flipByteInTheMiddle(StoreFixture.segmentFile(store, damaged));

        CommandRun run = run("compact", "two", "--max-layers", "1").endsWith(ExitCode.CORRUPT);

        assertThat(run.err()).contains(damaged.value());
        assertThat(run("show", "two").succeeds().out()).contains("2 layers");
    }

    @Test
    void resultsOfEveryStoreCommandAreOneJsonObject() throws Exception {
        StoreFixture.checkpoint(store, "one", 1);

        for (String command :
                List.of("list", "show one", "verify one", "compact", "clean", "remove one")) {
            String[] arguments = (command + " --json").split(" ", -1);
            byte[] out = run(arguments).succeeds().outBytes();
            assertThat(Json.MAPPER.readTree(out).isObject()).as(command).isTrue();
        }
    }

    private CommandRun run(String... arguments) {
        return CommandRun.of(
                Stream.concat(Stream.of("--store", store.toString()), Arrays.stream(arguments))
                        .toArray(String[]::new));
    }

    private static void flipByteInTheMiddle(Path file) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length / 2] ^= 1;
        Files.write(file, bytes);
    }

    private static List<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }
}
