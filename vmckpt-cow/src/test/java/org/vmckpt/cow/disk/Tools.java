package org.vmckpt.cow.disk;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Runs QEMU's own tools, which judge ours. */
public final class Tools {
    private Tools() {}

    public static String run(String... command) {
        try {
            Process process =
                    new ProcessBuilder(List.of(command)).redirectErrorStream(true).start();
            String output =
                    new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(process.waitFor()).as("%s: %s", String.join(" ", command), output).isZero();
            return output;
        } catch (IOException e) {
            throw new AssertionError("needs " + command[0] + " (package qemu-utils)", e);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** Makes an empty image; options as {@code -o} takes them, except for the size. */
    public static void createImage(Path file, String format, String size, String... options) {
        List<String> command = create(format, options);
        command.add(file.toString());
        command.add(size);
        run(command.toArray(String[]::new));
    }

    /** Makes an empty qcow2 image over a parent. */
    public static void createOver(Path file, Path parent, String parentFormat, String... options) {
        List<String> command = create("qcow2", options);
        command.addAll(List.of("-b", parent.toString(), "-F", parentFormat, file.toString()));
        run(command.toArray(String[]::new));
    }

    private static List<String> create(String format, String... options) {
        List<String> command = new ArrayList<>(List.of("qemu-img", "create", "-q", "-f", format));
        for (String option : options) {
            command.add("-o");
            command.add(option);
        }
        return command;
    }

    /** Runs qemu-io commands, for example {@code write -P 7 0 64k}, on an image. */
    public static void io(Path file, String format, String... commands) {
        String[] line = new String[4 + 2 * commands.length];
        line[0] = "qemu-io";
        line[1] = "-f";
        line[2] = format;
        for (int i = 0; i < commands.length; i++) {
            line[3 + 2 * i] = "-c";
            line[4 + 2 * i] = commands[i];
        }
        line[line.length - 1] = file.toString();
        String output = run(line);
        assertThat(output).doesNotContainIgnoringCase("failed", "error");
    }

    public static void assertSound(Path qcow2) {
        assertThat(run("qemu-img", "check", "-f", "qcow2", qcow2.toString()))
                .contains("No errors were found");
    }

    public static void assertEqual(Path a, String formatA, Path b, String formatB) {
        assertThat(
                        run(
                                "qemu-img",
                                "compare",
                                "-U",
                                "-f",
                                formatA,
                                "-F",
                                formatB,
                                a.toString(),
                                b.toString()))
                .contains("Images are identical");
    }
}
