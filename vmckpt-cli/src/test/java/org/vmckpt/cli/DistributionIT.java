package org.vmckpt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The command as it is shipped, in processes of its own. */
class DistributionIT {
    private static final Path HOME = Path.of("target", "vmckpt").toAbsolutePath();
    private static final Path OWN_JAVA = Path.of(System.getProperty("java.home"));
    private static final long TIMEOUT_SECONDS = 60;

    @TempDir private Path folder = Path.of("");

    private record Result(int exitCode, String out, String err) {}

    @Test
    void launcherFindsJavaWhenJavaHomeIsMissingOrUseless() throws Exception {
        for (String javaHome : List.of("", "/nonexistent", OWN_JAVA.toString())) {
            Result result =
                    run(
                            Map.of("JAVA_HOME", javaHome, "PATH", pathWithOwnJava()),
                            launcher(),
                            "--version");
            assertThat(result.exitCode()).as(result.err()).isZero();
            assertThat(result.out()).startsWith("vmckpt ").doesNotContain("development");
            assertThat(result.err()).isEmpty();
        }
    }

    @Test
    void launcherWorksThroughASymbolicLink() throws Exception {
        Path link = Files.createSymbolicLink(folder.resolve("vmckpt"), Path.of(launcher()));

        assertThat(run(ownJava(), link.toString(), "--version").exitCode()).isZero();
    }

    @Test
    void startUpCacheIsUsedAlsoWhereTheDistributionWasCopiedTo() throws Exception {
        Path copy = copyOfTheDistribution();
        Map<String, String> environment = new HashMap<>(ownJava());
        environment.put("VMCKPT_JAVA_OPTS", "-Xlog:aot=info:stderr");

        Result result = run(environment, copy.resolve("bin/vmckpt").toString(), "--version");

        assertThat(result.err()).contains("Using AOT-linked classes: true");
    }

    @Test
    void startUpCacheThatDoesNotFitIsIgnoredSilently() throws Exception {
        Path copy = copyOfTheDistribution();
        Files.writeString(copy.resolve("lib/vmckpt.aot"), "of another Java");

        Result result = run(ownJava(), copy.resolve("bin/vmckpt").toString(), "--version");

        assertThat(result.exitCode()).isZero();
        assertThat(result.out()).startsWith("vmckpt ");
        assertThat(result.err()).isEmpty();
    }

    private Path copyOfTheDistribution() throws Exception {
        Path copy = folder.resolve("copy");
        run(Map.of(), "cp", "-a", HOME.toString(), copy.toString());
        return copy;
    }

    @Test
    void pipeWhoseReaderIsGoneIsAnErrorWithoutAStackTrace() throws Exception {
        StoreFixture.checkpoint(folder.resolve("store"), "one", 1);
        String export = launcher() + " export one - --store " + folder.resolve("store");

        Result result = run(ownJava(), "bash", "-c", export + " | true; exit ${PIPESTATUS[0]}");

        assertThat(result.exitCode()).isEqualTo(ExitCode.TRANSPORT.number());
        assertThat(result.err()).contains("Broken pipe").doesNotContain("\tat ");
    }

    @Test
    void exportAndImportThroughARealPipe() throws Exception {
        StoreFixture.checkpoint(folder.resolve("store"), "one", 1);
        String export = launcher() + " export one - --store " + folder.resolve("store");
        String second = folder.resolve("second").toString();

        Result result =
                run(
                        ownJava(),
                        "bash",
                        "-o",
                        "pipefail",
                        "-c",
                        export + " | " + launcher() + " import - --store " + second);

        assertThat(result.exitCode()).as(result.err()).isZero();
        CommandRun.of("verify", "--all", "--store", second).succeeds();
    }

    @Test
    void bashLoadsTheCompletion() throws Exception {
        Path script = HOME.resolve("share/bash-completion/completions/vmckpt");

        Result result = run(ownJava(), "bash", "-c", "source " + script + " && complete -p vmckpt");

        assertThat(result.exitCode()).as(result.err()).isZero();
        assertThat(result.out()).contains("vmckpt");
    }

    private static String launcher() {
        return HOME.resolve("bin/vmckpt").toString();
    }

    private static Map<String, String> ownJava() {
        return Map.of("JAVA_HOME", OWN_JAVA.toString());
    }

    private static String pathWithOwnJava() {
        return OWN_JAVA.resolve("bin") + ":" + System.getenv("PATH");
    }

    private Result run(Map<String, String> environment, String... command)
            throws IOException, InterruptedException {
        Path out = Files.createTempFile(folder, "out", "");
        Path err = Files.createTempFile(folder, "err", "");
        ProcessBuilder builder =
                new ProcessBuilder(command)
                        .redirectOutput(out.toFile())
                        .redirectError(err.toFile());
        builder.environment().putAll(environment);
        Process process = builder.start();
        process.getOutputStream().close();
        try {
            assertThat(process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS)).isTrue();
        } finally {
            process.destroyForcibly();
        }
        return new Result(process.exitValue(), Files.readString(out), Files.readString(err));
    }
}
