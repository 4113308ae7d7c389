package org.vmckpt.cow.serving;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.cow.nbd.TestClient;
import org.vmckpt.cow.volume.VolumeCreator;
import org.vmckpt.cow.volume.VolumeFolder;

final class VolumeServerTest {
    private static final int EIO = 5;
    private static final int LONG_MILLIS = 10_000;

    @TempDir private Path folder;

    private Path socket;
    private VolumeServer server;
    private ControlClient control;

    @BeforeEach
    void start() throws Exception {
        socket = folder.resolve("s");
        server =
                VolumeServer.start(
                        List.of(make("a"), make("b")),
                        socket,
                        VolumeServer.controlSocketOf(socket),
                        false);
        control = ControlClient.connect(VolumeServer.controlSocketOf(socket));
    }

    private VolumeFolder make(String name) throws Exception {
        return VolumeCreator.create(
                folder.resolve(name),
                Optional.empty(),
                Optional.empty(),
                OptionalLong.of(1 << 20),
                64 << 10);
    }

    @AfterEach
    void close() throws Exception {
        control.close();
        server.close();
    }

    private TestClient connect(String export) throws Exception {
        return TestClient.simple(socket, export);
    }

    @Test
    void severalExportsAreServedAndForkedTogether() throws Exception {
        try (TestClient a = connect("a");
                TestClient b = connect("b")) {
            a.write(1, 0, new byte[] {1});
            b.write(1, 0, new byte[] {2});
            assertThat(a.reply().error()).isZero();
            assertThat(b.reply().error()).isZero();
            JsonNode forks = control.fork(List.of(), Optional.of("ckpt")).path("forks");
            control.settle(List.of(), LONG_MILLIS);
            assertThat(forks).hasSize(2);
            assertThat(Path.of(forks.get(0).path("frozen").asText())).exists();
            assertThat(a.read(0, 1)).containsExactly(1);
            assertThat(b.read(0, 1)).containsExactly(2);
            JsonNode status = control.status().path("volumes").path(1);
            assertThat(status.path("layers")).hasSize(2);
            assertThat(status.path("holds").path("layer-0.qcow2").path(0).asText())
                    .isEqualTo("ckpt");
            control.unhold(List.of(), "ckpt");
            control.fork(List.of("a"), Optional.empty());
            assertThat(control.commit(List.of(), Long.MAX_VALUE)).isEqualTo(1);
            assertThat(a.read(0, 1)).containsExactly(1);
        }
    }

    @Test
    void aReissueAnswersWithEioUntilItEnds() throws Exception {
        try (TestClient a = connect("a");
                TestClient b = connect("b")) {
            control.beginReissue(List.of("a"), LONG_MILLIS);
            a.write(1, 0, new byte[512]);
            assertThat(a.reply().error()).isEqualTo(EIO);
            assertThat(b.read(0, 1)).containsExactly(0);
            control.endReissue();
            a.write(2, 0, new byte[512]);
            assertThat(a.reply().error()).isZero();
        }
    }

    @Test
    void aReissueEndsWithWhoBeganIt() throws Exception {
        try (TestClient a = connect("a");
                ControlClient other = ControlClient.connect(VolumeServer.controlSocketOf(socket))) {
            other.beginReissue(List.of("a"), LONG_MILLIS);
            assertThatThrownBy(() -> control.beginReissue(List.of("a"), LONG_MILLIS))
                    .isInstanceOf(RefusedException.class);
            other.leave();
            int error;
            do {
                a.write(1, 0, new byte[512]);
                error = a.reply().error();
            } while (error == EIO);
            assertThat(error).isZero();
        }
    }

    @Test
    void aReissueEndsAfterItsTime() throws Exception {
        try (TestClient a = connect("a")) {
            control.beginReissue(List.of("a"), 50);
            int error;
            do {
                a.write(1, 0, new byte[512]);
                error = a.reply().error();
            } while (error == EIO);
            assertThat(error).isZero();
        }
    }

    @Test
    void mistakesAreTold() throws Exception {
        assertThatThrownBy(() -> control.fork(List.of("c"), Optional.empty()))
                .isInstanceOf(NotFoundException.class)
                .hasMessageContaining("'c'");
        assertThatThrownBy(() -> control.fork(List.of("a"), Optional.of("no/name")))
                .isInstanceOf(RefusedException.class);
        assertThatThrownBy(() -> control.commit(List.of(), 0))
                .isInstanceOf(ProtocolException.class);
        assertThat(control.status().path("ok").asBoolean()).isTrue();
        assertThat(Files.getPosixFilePermissions(VolumeServer.controlSocketOf(socket))).hasSize(2);
    }
}
