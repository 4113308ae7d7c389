package org.vmckpt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.vmckpt.core.Json;

/** One run of the command line in this process. */
record CommandRun(int exitCode, ByteArrayOutputStream rawOut, String err) {

    static CommandRun of(String... arguments) {
        return withInput(new byte[0], arguments);
    }

    static CommandRun withInput(byte[] input, String... arguments) {
        return run(input, false, arguments);
    }

    /** As if started by hand. */
    static CommandRun onTerminal(String... arguments) {
        return run(new byte[0], true, arguments);
    }

    private static CommandRun run(byte[] input, boolean terminal, String... arguments) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Streams streams =
                new Streams(
                        new ByteArrayInputStream(input), out, err, terminal, terminal, terminal);
        int exitCode = Vmckpt.run(streams, arguments);
        return new CommandRun(exitCode, out, err.toString(StandardCharsets.UTF_8));
    }

    String out() {
        return rawOut.toString(StandardCharsets.UTF_8);
    }

    byte[] outBytes() {
        return rawOut.toByteArray();
    }

    JsonNode json() {
        try {
            return Json.MAPPER.readTree(outBytes());
        } catch (IOException e) {
            throw new AssertionError("not JSON: " + out(), e);
        }
    }

    CommandRun succeeds() {
        return endsWith(ExitCode.OK);
    }

    CommandRun endsWith(ExitCode expected) {
        assertThat(exitCode).as("out: %s%nerr: %s", out(), err).isEqualTo(expected.number());
        return this;
    }
}
