package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;

/** A checkpoint of what is not, or not now, the QMP socket of a guest. */
@Timeout(value = 180, unit = TimeUnit.SECONDS)
final class BadSocketIT {
    @TempDir static Path folder;
    private static WatchedGuest guest;
    private static Store store;

    @BeforeAll
    static void startGuest() throws Exception {
        Path monitor = folder.resolve("human.sock");
        guest =
                WatchedGuest.start(builder ->
                        builder.extraArguments(
                                List.of("-monitor", "unix:" + monitor + ",server=on,wait=off")));
        store = Store.openOrCreate(folder.resolve("store"));
    }

    @AfterAll
    static void endGuest() {
        store.close();
        guest.close();
    }

    private static void checkpoint(Path socket) throws Exception {
        CheckpointService.checkpoint(CheckpointRequest.of(socket, store), ProgressListener.none());
    }

    @Test
    void missingPathIsNotFound() {
        Path none = folder.resolve("none.sock");
        assertThatThrownBy(() -> checkpoint(none))
                .isInstanceOf(NotFoundException.class)
                .hasMessageContainingAll(none.toString(), "ENOENT", "qmp:/path/to.sock");
    }

    @Test
    void plainFileIsNotFound() throws Exception {
        Path file = Files.writeString(folder.resolve("file"), "text");
        assertThatThrownBy(() -> checkpoint(file))
                .isInstanceOf(NotFoundException.class)
                .hasMessageContainingAll(file.toString(), "ECONNREFUSED");
    }

    @Test
    void pathThatIsTooLongForASocketSaysSo() {
        Path deep = folder.resolve("d".repeat(120));
        assertThatThrownBy(() -> checkpoint(deep))
                .isInstanceOf(NotFoundException.class)
                .hasMessageContaining("too long");
    }

    @Test
    void humanMonitorIsNotQmp() {
        assertThatThrownBy(() -> checkpoint(folder.resolve("human.sock")))
                .isInstanceOf(ProtocolException.class)
                .hasMessageContainingAll("human.sock", "not a QMP socket", "-qmp");
    }

    @Test
    void socketOfAnotherProgramNamesTheProcess() throws Exception {
        Path socket = folder.resolve("ours.sock");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(socket));
            assertThatThrownBy(() -> checkpoint(socket))
                    .isInstanceOf(UnsupportedException.class)
                    .hasMessageContainingAll(
                            Long.toString(ProcessHandle.current().pid()), "not to a QEMU");
        }
    }

    /**
     * Each attempt leaves connections in QEMU's short queue: the last ones must not hang either.
     */
    @Test
    void socketThatAnotherClientHoldsIsAConflictHoweverOftenItIsTried() throws Exception {
        Path socket = guest.guest().qmpSocket();
        try (QmpClient _ = QmpClient.connect(socket, WatchedGuest.SOON)) {
            for (int attempt = 0; attempt < 4; attempt++) {
                assertThatThrownBy(() -> checkpoint(socket))
                        .isInstanceOf(ConflictException.class)
                        .hasMessageContainingAll(socket.toString(), "another client");
            }
        }
        assertThat(guest.status()).isEqualTo("running");
        checkpoint(socket);
        assertThat(store.list()).hasSize(1);
    }
}
