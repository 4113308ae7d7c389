package org.vmckpt.testvm;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Runs a short command of the host to its end. */
final class Commands {
    private Commands() {}

    /**
     * Returns what the command wrote to standard output, without the last newline.
     *
     * @throws TestGuestException with all that the command said, if it fails
     */
    static String run(List<String> command) {
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(false).start();
            StringBuilder complaint = new StringBuilder();
            Thread errors = Thread.startVirtualThread(() -> drainErrors(process, complaint));
            String output = text(process.getInputStream().readAllBytes());
            int exit = process.waitFor();
            errors.join();
            if (exit != 0) {
                throw new TestGuestException(
                        "%s ended with %d: %s%s"
                                .formatted(String.join(" ", command), exit, output, complaint));
            }
            return output.strip();
        } catch (IOException e) {
            throw new TestGuestException("cannot run " + String.join(" ", command), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TestGuestException("interrupted in " + String.join(" ", command), e);
        }
    }

    private static void drainErrors(Process process, StringBuilder into) {
        try {
            into.append(text(process.getErrorStream().readAllBytes()));
        } catch (IOException e) {
            into.append("(its complaint cannot be read: ").append(e.getMessage()).append(')');
        }
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
