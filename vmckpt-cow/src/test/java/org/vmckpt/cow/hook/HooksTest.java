package org.vmckpt.cow.hook;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vmckpt.core.Json;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.RefusedException;

/** Real executables and a real HTTP server. */
@Timeout(120)
final class HooksTest {
    private static final Duration SHORT = Duration.ofMillis(300);
    private static final Duration LONG = Duration.ofSeconds(60);
    private static final String ODD = "a b\"'`$(touch $OUT/hit);touch $OUT/hit\n--x=1\\ü";

    @TempDir Path folder;
    private Path out;
    private Path hooks;

    @AutoClose private Endpoint endpoint;

    @BeforeEach
    void prepare() throws Exception {
        out = Files.createDirectories(folder.resolve("out"));
        hooks = Files.createDirectories(folder.resolve("hooks.d"));
        endpoint = Endpoint.start();
    }

    private Hooks executables(Duration limit) {
        return new Hooks(
                HookSettings.NONE.withFolder(hooks).withLimits(limit, HookSettings.LONGEST_PAUSE));
    }

    private void script(String name, String text) throws Exception {
        Script.write(hooks, name, "OUT=" + out + "\n" + text);
    }

    private static HookMessage message(HookEvent event) {
        return HookMessage.of(event, "checkpoint").with("guest", "vm1");
    }

    private void ask(Hooks asked) throws Exception {
        asked.ask(message(HookEvent.PRE_CHECKPOINT), () -> false);
    }

    @Test
    void executablesRunInTheOrderOfTheirNamesUntilOneRefuses() throws Exception {
        script("20-second", "echo second >>$OUT/log; echo no room >&2; exit 3");
        script("10-first", "echo \"first $1\" >>$OUT/log");
        script("30-third", "echo third >>$OUT/log");
        script("30-third.dpkg-old", "echo old >>$OUT/log");
        Script.mode(Files.writeString(hooks.resolve("README"), "no hook"), "rw-r--r--");

        assertThatThrownBy(() -> ask(executables(LONG)))
                .isInstanceOf(RefusedException.class)
                .hasMessageContainingAll("20-second", "exit code 3", "no room");
        assertThat(out.resolve("log")).hasContent("first pre-checkpoint\nsecond\n");

        executables(LONG).tell(message(HookEvent.DURABLE));
        assertThat(Files.readAllLines(out.resolve("log")))
                .as("one that fails does not keep the others from being told")
                .endsWith("first durable", "second", "third");
    }

    @Test
    void whatOthersNamedArrivesAsDataInBothForms() throws Exception {
        script("10-keep", "cat >$OUT/json; printf %s \"$VMCKPT_NAME\" >$OUT/name; env >$OUT/env");
        HookMessage message =
                message(HookEvent.PRE_CHECKPOINT).with("name", ODD).with("zero", "a\0b");

        executables(LONG).ask(message, () -> false);

        JsonNode json = Json.MAPPER.readTree(out.resolve("json").toFile());
        assertThat(json.path("name").asText()).isEqualTo(ODD);
        assertThat(json.path("zero").asText()).isEqualTo("a\0b");
        // Under a locale without UTF-8 Java cannot hand on the last letter.
        assertThat(Files.readString(out.resolve("name"))).startsWith(ODD.replace("ü", ""));
        assertThat(out.resolve("hit")).doesNotExist();
        assertThat(Files.readAllLines(out.resolve("env")))
                .contains("VMCKPT_EVENT=pre-checkpoint", "VMCKPT_GUEST=vm1", "LANG=C.UTF-8")
                .noneMatch(line -> line.startsWith("JAVA_HOME"));
    }

    @Test
    void oneThatHangsIsKilledWithItsChildren() throws Exception {
        script("10-hang", "sleep 1000 & echo $! >$OUT/child; setsid sleep 1000 & wait");

        assertThatThrownBy(() -> ask(executables(SHORT))).hasMessageContaining("killed");

        awaitGone(out.resolve("child"));
    }

    /** Whoever is to say in this file who it is; it could be killed before it does. */
    private static void awaitGone(Path pidFile) {
        await().atMost(LONG)
                .until(() -> {
                    String pid = Files.exists(pidFile) ? Files.readString(pidFile).strip() : "";
                    return pid.isEmpty() || isGone(Long.parseLong(pid));
                });
    }

    /** Whoever its parent is now need not have reaped it. */
    private static boolean isGone(long pid) throws Exception {
        Path stat = Path.of("/proc/" + pid + "/stat");
        return !Files.exists(stat) || Files.readString(stat).contains(") Z ");
    }

    @Test
    void oneThatIsNotWantedAnyMoreIsKilled() throws Exception {
        script("10-hang", "sleep 1000");
        long start = System.nanoTime();
        assertThatThrownBy(() ->
                        executables(LONG)
                                .ask(
                                        message(HookEvent.PRE_CHECKPOINT),
                                        () -> System.nanoTime() - start > SHORT.toNanos()))
                .hasMessageContaining("cancelled");
    }

    @Test
    void aChildThatStaysAndEndlessOutputHoldNobodyUp() throws Exception {
        script("10-leaves", "sleep 1000 & echo $! >$OUT/child; exit 0");
        script("20-talks", "head -c 10000000 /dev/zero | tr '\\0' x; exit 1");

        assertThatThrownBy(() -> ask(executables(LONG)))
                .hasMessageContaining("(and more)")
                .extracting(e -> String.valueOf(e.getMessage()).length())
                .satisfies(length -> assertThat(length).isLessThan(HookOutput.KEPT_BYTES + 500));
        ProcessHandle.of(Long.parseLong(Files.readString(out.resolve("child")).strip()))
                .ifPresent(ProcessHandle::destroyForcibly);
    }

    @ParameterizedTest
    @ValueSource(strings = {"10-open", ".", "paused", "paused/10-open"})
    void whatEverybodyCanWriteIsRefused(String open) throws Exception {
        script("10-open", "touch $OUT/hit");
        Script.write(hooks.resolve("paused"), "10-open", "touch " + out + "/hit");
        Script.mode(hooks.resolve(open), "rwxrwxrwx");

        assertThatThrownBy(() -> ask(executables(LONG)))
                .isInstanceOf(RefusedException.class)
                .hasMessageContainingAll(hooks.resolve(open).normalize().toString(), "chmod o-w");
    }

    @Test
    void aFolderThatSomebodyNamedMustBeThere() throws Exception {
        Path none = folder.resolve("none");
        assertThatThrownBy(() -> ask(new Hooks(HookSettings.NONE.withFolder(none))))
                .isInstanceOf(NotFoundException.class);
        ask(
                new Hooks(
                        new HookSettings(
                                Optional.of(none), false, List.of(), LONG, Duration.ofMillis(1))));
    }

    private Webhook webhook(String path) {
        return webhook(path, LONG);
    }

    private Webhook webhook(String path, Duration limit) {
        return new Webhook("test", endpoint.url(path), Set.of(HookEvent.values()), LONG, limit);
    }

    private static Hooks hooksOf(Webhook webhook) {
        return new Hooks(HookSettings.NONE.withWebhook(webhook));
    }

    @Test
    void anEndpointIsToldAndCanRefuse() throws Exception {
        ask(hooksOf(webhook("/hook")));
        JsonNode json = Json.MAPPER.readTree(endpoint.bodies().take());
        assertThat(json.path("event").asText()).isEqualTo("pre-checkpoint");
        endpoint.answerWith(503);
        assertThatThrownBy(() -> ask(hooksOf(webhook("/hook")))).hasMessageContaining("503");
        endpoint.answerWith(302);
        assertThatThrownBy(() -> ask(hooksOf(webhook("/hook")))).hasMessageContaining("302");
        hooksOf(webhook("/hook")).tell(message(HookEvent.FAILED));
        assertThat(endpoint.bodies()).hasSize(3);
    }

    @ParameterizedTest
    @ValueSource(strings = {"/silent", "/endless"})
    void anEndpointThatNeverEndsItsAnswerIsGivenUp(String path) {
        assertThatThrownBy(() -> ask(hooksOf(webhook(path, Duration.ofSeconds(1)))))
                .hasMessageContaining("1000 ms");
    }

    @Test
    void anEndpointThatAcceptsAndSaysNothingOrIsNotThereIsGivenUp() throws Exception {
        URI url;
        try (ServerSocket deaf = new ServerSocket(0)) {
            url = URI.create("http://127.0.0.1:" + deaf.getLocalPort() + "/");
            Webhook webhook = new Webhook("deaf", url, Webhook.usualEvents(), SHORT, SHORT);
            assertThatThrownBy(() -> ask(hooksOf(webhook))).hasMessageContaining("deaf");
        }
        Webhook webhook = new Webhook("gone", url, Webhook.usualEvents(), SHORT, SHORT);
        assertThatThrownBy(() -> ask(hooksOf(webhook))).hasMessageContaining("gone");
    }

    @Test
    void pausedHooksAreReadyBeforeAndHeardOfInThePauseAlone() throws Exception {
        Script.write(
                hooks.resolve("paused"),
                "10-listen",
                "OUT="
                        + out
                        + "\nread -r json; echo \"$json\" >$OUT/json; echo ready; read -r go;"
                        + " echo \"$go\" >$OUT/go; echo done; echo ended >$OUT/ended");
        Hooks all = executables(LONG);
        try (PausedHooks paused = all.beforePause(message(HookEvent.PAUSED))) {
            assertThat(out.resolve("json")).content().contains("\"event\":\"paused\"");
            assertThat(out.resolve("go")).doesNotExist();
            paused.signal();
            paused.awaitDone();
            assertThat(out.resolve("go")).hasContent("paused\n");
            paused.finish();
            assertThat(out.resolve("ended")).exists();
        }
    }

    @Test
    void aPausedHookThatIsNeverReadyIsLeftOut() throws Exception {
        Script.write(hooks.resolve("paused"), "10-slow", "echo $$ >" + out + "/pid; sleep 1000");
        Hooks all = executables(Duration.ofSeconds(1));
        try (PausedHooks paused = all.beforePause(message(HookEvent.PAUSED))) {
            paused.signal();
            paused.awaitDone();
        }
        awaitGone(out.resolve("pid"));
    }

    @Test
    void aPausedHookThatIsLateIsLeftBehindAndKilled() throws Exception {
        Script.write(
                hooks.resolve("paused"),
                "10-late",
                "OUT=" + out + "\necho $$ >$OUT/pid; echo ready; sleep 1000");
        Hooks all = executables(LONG);
        try (PausedHooks paused = all.beforePause(message(HookEvent.PAUSED))) {
            paused.signal();
            paused.awaitDone();
            paused.finish();
        }
        assertThat(out.resolve("pid")).isNotEmptyFile();
        awaitGone(out.resolve("pid"));
    }

    @Test
    void anEndpointHearsOfThePauseWhenItIsThere() throws Exception {
        Hooks all = hooksOf(webhook("/hook"));
        try (PausedHooks paused = all.beforePause(message(HookEvent.PAUSED))) {
            assertThat(endpoint.bodies()).isEmpty();
            paused.signal();
            assertThat(endpoint.bodies().take()).contains("paused");
            paused.awaitDone();
            paused.finish();
        }
        Hooks silent = hooksOf(webhook("/silent"));
        try (PausedHooks paused = silent.beforePause(message(HookEvent.PAUSED))) {
            paused.signal();
            paused.awaitDone();
        }
    }
}
