package org.vmckpt.agent.api;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.vmckpt.agent.config.ConfigReader;
import org.vmckpt.agent.service.Agent;

/** An agent in this process, with guests that are not there, nor is libvirtd. */
final class ApiFixture implements AutoCloseable {
    private final Path folder;
    private final Agent agent;

    private ApiFixture(Path folder, Agent agent) {
        this.folder = folder;
        this.agent = agent;
    }

    static ApiFixture start(String... lines) throws Exception {
        // Short, for a socket lies in it.
        Path folder = Files.createTempDirectory("api");
        return start(folder, lines);
    }

    static ApiFixture start(Path folder, String... lines) throws Exception {
        Path file = folder.resolve("agent.yaml");
        List<String> config =
                List.of(
                        "store: " + folder.resolve("store"),
                        "guests:",
                        "  vm1: {monitor: " + folder.resolve("vm1.sock") + "}",
                        "  vm2: {monitor: " + folder.resolve("vm2.sock") + "}",
                        "  web: {domain: web-1}",
                        "libvirt: {uri: 'qemu+unix:///system?socket=" + folder + "/none'}",
                        "volumes:",
                        "  disk: {folder: "
                                + folder.resolve("disk")
                                + ", socket: "
                                + folder.resolve("disk.nbd")
                                + "}",
                        "schedules:",
                        "  yearly: {guest: vm2, cron: '0 0 1 1 *', keep: {last: 1}}",
                        "api: {socket: " + socket(folder) + extra(lines));
        Files.write(file, config);
        return new ApiFixture(folder, Agent.start(ConfigReader.read(file), () -> {}));
    }

    private static String extra(String... lines) {
        return (lines.length == 0 ? "" : ", ") + String.join(", ", lines) + "}";
    }

    private static Path socket(Path folder) {
        return folder.resolve("agent.sock");
    }

    Path folder() {
        return folder;
    }

    Path socket() {
        return socket(folder);
    }

    UnixHttp http() {
        return new UnixHttp(socket());
    }

    @Override
    public void close() throws IOException {
        agent.close();
        try (var files = Files.walk(folder)) {
            for (Path file : files.sorted(java.util.Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        }
    }
}
