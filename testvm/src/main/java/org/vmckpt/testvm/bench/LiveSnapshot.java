package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.vmckpt.testvm.TestDomain;
import org.vmckpt.testvm.TestLibvirtd;

/**
 * libvirt's own snapshot of a running domain, with memory: memory is copied to a file while the
 * guest runs, again and again what it wrote meanwhile, and the rest when the guest stands still.
 */
final class LiveSnapshot implements Contender {
    static final String NAME = "libvirt live snapshot";

    /** A guest that writes faster than QEMU copies makes it go on for ever. */
    private static final Duration LIMIT = Duration.ofSeconds(60);

    private final TestLibvirtd host;
    private final TestDomain domain;
    private final Path memoryFile;

    /** By target, with the file that the domain was started with. */
    private final Map<String, Path> disks;

    LiveSnapshot(TestLibvirtd host, TestDomain domain, Path folder) {
        this.host = host;
        this.domain = domain;
        this.memoryFile = folder.resolve("snapshot.memory");
        this.disks = Map.of("vda", domain.diskFile("vda"), "vdb", domain.diskFile("vdb"));
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Measurement measure() throws IOException, InterruptedException {
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            Future<String> snapshot = threads.submit(() -> host.virsh(command()));
            try {
                snapshot.get(LIMIT.toSeconds(), TimeUnit.SECONDS);
            } catch (TimeoutException e) {
                host.virsh("domjobabort", domain.name());
                return nothing("given up: it did not end within " + LIMIT.toSeconds() + " s");
            } catch (ExecutionException e) {
                throw new IOException("libvirt's live snapshot failed", e);
            }
        }
        return new Measurement(
                Optional.empty(),
                OptionalDouble.empty(),
                OptionalDouble.empty(),
                OptionalDouble.empty(),
                OptionalLong.of(Files.size(memoryFile)));
    }

    private static Measurement nothing(String why) {
        return new Measurement(
                Optional.empty(),
                OptionalDouble.empty(),
                OptionalDouble.empty(),
                OptionalDouble.empty(),
                OptionalLong.empty(),
                Map.of(),
                Map.of(),
                why);
    }

    private String[] command() {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                "snapshot-create-as",
                                domain.name(),
                                "bench",
                                "--live",
                                "--atomic",
                                "--no-metadata",
                                "--memspec",
                                "file=" + memoryFile + ",snapshot=external"));
        disks.forEach((target, file) -> {
            command.add("--diskspec");
            command.add(target + ",snapshot=external,file=" + overlay(file));
        });
        return command.toArray(String[]::new);
    }

    private static Path overlay(Path file) {
        return file.resolveSibling(file.getFileName() + ".snapshot");
    }

    @Override
    public void tidy() throws IOException {
        for (Map.Entry<String, Path> disk : disks.entrySet()) {
            if (!domain.diskFile(disk.getKey()).equals(disk.getValue())) {
                host.virsh("blockcommit", domain.name(), disk.getKey(), "--active", "--pivot");
            }
            Files.deleteIfExists(overlay(disk.getValue()));
        }
        Files.deleteIfExists(memoryFile);
    }
}
