package org.vmckpt.cow.memory;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.RandomAccessFile;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel.MapMode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * A process that maps guest memory and writes it, as a vhost-user back end does. For each line
 * {@code OFFSET BYTES VALUE} on its input it fills that range and answers with the line.
 */
final class OutsideWriterMain implements AutoCloseable {
    private final Process process;
    private final BufferedReader answers;

    private OutsideWriterMain(Process process) {
        this.process = process;
        this.answers = process.inputReader();
    }

    /** Starts one that maps the file, and waits until it does. */
    static OutsideWriterMain start(Path file) throws Exception {
        Process process =
                new ProcessBuilder(
                                ProcessHandle.current().info().command().orElseThrow(),
                                "-XX:TieredStopAtLevel=1",
                                "-cp",
                                System.getProperty("java.class.path"),
                                OutsideWriterMain.class.getName(),
                                file.toString())
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        OutsideWriterMain writer = new OutsideWriterMain(process);
        writer.await("ready");
        return writer;
    }

    long pid() {
        return process.pid();
    }

    void fill(long offset, int bytes, int value) throws Exception {
        String line = offset + " " + bytes + " " + value;
        process.outputWriter().write(line + "\n");
        process.outputWriter().flush();
        await(line);
    }

    private void await(String answer) throws Exception {
        String line = answers.readLine();
        if (!answer.equals(line)) {
            throw new AssertionError("expected " + answer + ", the writer said " + line);
        }
    }

    @Override
    public void close() {
        process.destroyForcibly().onExit().join();
    }

    static void main(String[] arguments) throws Exception {
        try (RandomAccessFile file = new RandomAccessFile(arguments[0], "rw");
                BufferedReader lines =
                        new BufferedReader(
                                new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            MappedByteBuffer memory = file.getChannel().map(MapMode.READ_WRITE, 0, file.length());
            System.out.println("ready");
            String line = lines.readLine();
            while (line != null) {
                String[] words = line.split(" ", -1);
                byte[] content = new byte[Integer.parseInt(words[1])];
                Arrays.fill(content, Byte.parseByte(words[2]));
                memory.put(Integer.parseInt(words[0]), content);
                System.out.println(line);
                line = lines.readLine();
            }
        }
    }
}
