package org.vmckpt.cow.rollback;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.RefusedException;

/** A rollback that was killed with its warden, and what was done by hand since. */
class RecoveryTest {
    @TempDir Path folder = Path.of("");

    private Path journal() {
        return folder.resolve("journal");
    }

    private Path monitor() {
        return folder.resolve("qmp.sock");
    }

    private Path aside() {
        return folder.resolve("qmp.sock.old-1");
    }

    private Path disks() {
        return folder.resolve("disks");
    }

    private Path disk() {
        return disks().resolve("disk");
    }

    /** Of a rollback whose new guest has not come up; no checkpoint was taken first. */
    private void leave(Journal.Phase phase, RunningProcess old) throws Exception {
        Files.createFile(aside());
        Files.createDirectory(disks());
        Files.createFile(disk());
        new Journal(
                        "1",
                        phase,
                        monitor().toString(),
                        old,
                        true,
                        List.of(new Journal.Move(monitor().toString(), aside().toString(), true)),
                        List.of(),
                        disks().toString(),
                        folder.resolve("store").toString(),
                        Optional.empty())
                .write(journal());
    }

    private ServerSocketChannel otherGuest() throws IOException {
        ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        return server.bind(UnixDomainSocketAddress.of(monitor()));
    }

    private static RunningProcess ended() throws Exception {
        Process process = new ProcessBuilder("true").start();
        process.waitFor();
        return RunningProcess.of(process.pid());
    }

    @Test
    void aGuestThatWasBroughtBackByHandIsLeftAlone() throws Exception {
        for (Journal.Phase phase : List.of(Journal.Phase.STANDING, Journal.Phase.ENDED)) {
            leave(phase, ended());
            try (ServerSocketChannel _ = otherGuest()) {
                assertThat(Recovery.run(journal()).orElseThrow())
                        .contains("pid " + ProcessHandle.current().pid(), "left alone");
                assertThat(monitor()).exists();
            }
            assertThat(disk()).exists();
            assertThat(aside()).doesNotExist();
            assertThat(journal()).doesNotExist();
            Trees.delete(disks());
            Files.delete(monitor());
        }
    }

    @Test
    void ofTwoGuestsNoneIsMadeToGoOn() throws Exception {
        Process old = new ProcessBuilder("sleep", "600").start();
        try (ServerSocketChannel _ = otherGuest()) {
            leave(Journal.Phase.STANDING, RunningProcess.of(old.pid()));
            assertThatThrownBy(() -> Recovery.run(journal()))
                    .isInstanceOf(ConflictException.class)
                    .hasMessageContaining("(pid " + old.pid() + ") stands still");
            assertThat(List.of(monitor(), aside(), disk(), journal())).allMatch(Files::exists);
        } finally {
            old.destroyForcibly().waitFor();
        }
    }

    @Test
    void whenNothingIsLeftOfTheGuestTheCommandThatBringsItBackIsNamed() throws Exception {
        leave(Journal.Phase.STANDING, ended());
        assertThatThrownBy(() -> Recovery.run(journal()))
                .isInstanceOf(RefusedException.class)
                .hasMessageContaining(
                        "vmckpt restore CKPT --store %s --qmp %s"
                                .formatted(folder.resolve("store"), monitor()));
        assertThat(monitor()).as("or that command would be refused").doesNotExist();
    }
}
