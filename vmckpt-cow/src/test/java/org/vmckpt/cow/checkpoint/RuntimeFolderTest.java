package org.vmckpt.cow.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class RuntimeFolderTest {
    @TempDir private Path folder;

    private Path make(String name) throws Exception {
        Path made = Files.createDirectory(folder.resolve(name));
        Files.writeString(made.resolve("state"), "x");
        return made;
    }

    @Test
    void whatDeadProcessesLeftGoesOnceNoGuardCanNeedIt() throws Exception {
        Process ended = new ProcessBuilder("true").start();
        ended.waitFor();
        Path device = make("device-" + ended.pid() + "-123");
        Path libvirt = make("libvirt-" + ended.pid() + "-45");
        List<Path> kept =
                List.of(
                        make("device-" + ProcessHandle.current().pid() + "-123"),
                        make("another-" + ended.pid() + "-123"),
                        make("device-" + ended.pid()),
                        Files.writeString(folder.resolve("guests.lock"), ""));
        Instant now = Instant.now();

        RuntimeFolder.removeLeft(folder, now);
        assertThat(device).exists();

        RuntimeFolder.removeLeft(folder, now.plus(Duration.ofMinutes(11)));
        assertThat(device).doesNotExist();
        assertThat(libvirt).doesNotExist();
        assertThat(kept).allSatisfy(it -> assertThat(it).exists());
    }

    @Test
    void aFolderIsNamedAfterItsProcess() throws Exception {
        Path made = RuntimeFolder.makeTemporary("device");
        try {
            assertThat(made.getFileName().toString())
                    .matches("device-" + ProcessHandle.current().pid() + "-\\d+");
            assertThat(made.getParent()).isEqualTo(RuntimeFolder.path());
        } finally {
            Files.delete(made);
        }
    }
}
