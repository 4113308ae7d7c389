package org.vmckpt.cow.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vmckpt.cow.nbd.TestClient.OptionAnswer;
import org.vmckpt.cow.volume.GatedFile;

final class HandshakeTest {
    private static final int BOTH_FLAGS = 3;
    private static final int SIZE = 1 << 20;

    private TestServer server;

    @BeforeEach
    void start() throws Exception {
        server = TestServer.over(new GatedFile(SIZE));
    }

    @AfterEach
    void close() throws Exception {
        server.close();
    }

    private TestClient greet() throws Exception {
        return TestClient.greet(server.socket(), BOTH_FLAGS);
    }

    private static List<Integer> types(List<OptionAnswer> answers) {
        return answers.stream().map(OptionAnswer::type).toList();
    }

    @Test
    void listNamesTheExport() throws Exception {
        try (TestClient client = greet()) {
            List<OptionAnswer> answers = client.option(Protocol.OPT_LIST, new byte[0]);
            assertThat(types(answers)).containsExactly(Protocol.REP_SERVER, Protocol.REP_ACK);
            assertThat(answers.getFirst().data())
                    .isEqualTo(
                            ByteBuffer.allocate(8).putInt(4).put("disk".getBytes(UTF_8)).array());
            assertThat(types(client.option(Protocol.OPT_LIST, new byte[1])))
                    .containsExactly(Protocol.REP_ERR_INVALID);
        }
    }

    @Test
    void infoTellsSizeFlagsAndBlockSizes() throws Exception {
        try (TestClient client = greet()) {
            List<OptionAnswer> answers =
                    client.option(
                            Protocol.OPT_INFO,
                            TestClient.infoQuery(
                                    "disk",
                                    Protocol.INFO_BLOCK_SIZE,
                                    Protocol.INFO_NAME,
                                    Protocol.INFO_DESCRIPTION,
                                    77));
            ByteBuffer export = ByteBuffer.wrap(answers.get(0).data());
            assertThat(export.getShort()).isEqualTo((short) Protocol.INFO_EXPORT);
            assertThat(export.getLong()).isEqualTo(SIZE);
            assertThat(export.getShort() & Protocol.FLAG_SEND_DF).isZero();
            ByteBuffer sizes =
                    ByteBuffer.wrap(
                            answers.stream()
                                    .map(OptionAnswer::data)
                                    .filter(it -> it.length == 14)
                                    .findFirst()
                                    .orElseThrow());
            assertThat(sizes.getShort()).isEqualTo((short) Protocol.INFO_BLOCK_SIZE);
            assertThat(sizes.getInt()).isEqualTo(1);
            assertThat(sizes.getInt()).isEqualTo(TestServer.GROUP_BYTES);
            assertThat(sizes.getInt()).isEqualTo(2 << 20);
            assertThat(answers).hasSize(5);
        }
    }

    @Test
    void exportsThatAreNotThereAreRefusedAndTheClientMayAskAgain() throws Exception {
        try (TestClient client = greet()) {
            assertThat(types(client.option(Protocol.OPT_GO, TestClient.infoQuery("other"))))
                    .containsExactly(Protocol.REP_ERR_UNKNOWN);
            assertThat(types(client.option(Protocol.OPT_GO, TestClient.infoQuery(""))))
                    .endsWith(Protocol.REP_ACK);
            assertThat(client.read(0, 512)).isEqualTo(new byte[512]);
        }
    }

    @Test
    void tlsAndUnknownOptionsAreRefusedPolitely() throws Exception {
        try (TestClient client = greet()) {
            assertThat(types(client.option(Protocol.OPT_STARTTLS, new byte[0])))
                    .containsExactly(Protocol.REP_ERR_POLICY);
            assertThat(types(client.option(4711, new byte[60_000])))
                    .containsExactly(Protocol.REP_ERR_UNSUP);
            assertThat(types(client.option(Protocol.OPT_ABORT, new byte[3])))
                    .containsExactly(Protocol.REP_ACK);
            assertThat(client.isEnded()).isTrue();
        }
    }

    @Test
    void metaContextsNeedStructuredRepliesAndOnlyOurOwnIsFound() throws Exception {
        try (TestClient client = greet()) {
            byte[] all = TestClient.contextQuery("disk");
            assertThat(types(client.option(Protocol.OPT_LIST_META_CONTEXT, all)))
                    .containsExactly(Protocol.REP_ERR_INVALID);
            client.option(Protocol.OPT_STRUCTURED_REPLY, new byte[0]);
            assertThat(types(client.option(Protocol.OPT_LIST_META_CONTEXT, all)))
                    .containsExactly(Protocol.REP_META_CONTEXT, Protocol.REP_ACK);
            byte[] wildcard = TestClient.contextQuery("disk", "x:y", "base:");
            assertThat(types(client.option(Protocol.OPT_LIST_META_CONTEXT, wildcard)))
                    .containsExactly(Protocol.REP_META_CONTEXT, Protocol.REP_ACK);
            assertThat(types(client.option(Protocol.OPT_SET_META_CONTEXT, wildcard)))
                    .containsExactly(Protocol.REP_ACK);
            byte[] cut = {0, 0, 0, 4, 'd', 'i', 's', 'k', 0, 0, 0, 9};
            assertThat(types(client.option(Protocol.OPT_SET_META_CONTEXT, cut)))
                    .containsExactly(Protocol.REP_ERR_INVALID);
        }
    }

    @Test
    void theOldWayToChooseSendsZeroesToThoseWhoDoNotDeclineThem() throws Exception {
        for (int flags = 1; flags <= BOTH_FLAGS; flags += 2) {
            try (TestClient client = TestClient.greet(server.socket(), flags)) {
                client.sendOption(Protocol.OPT_EXPORT_NAME, 4, "disk".getBytes(UTF_8));
                byte[] answer = client.data(flags == 1 ? 134 : 10);
                assertThat(ByteBuffer.wrap(answer).getLong()).isEqualTo(SIZE);
                assertThat(client.read(0, 512)).isEqualTo(new byte[512]);
            }
        }
    }

    @Test
    void whoBreaksTheProtocolLosesItsConnection() throws Exception {
        try (TestClient flags = TestClient.greet(server.socket(), 1 << 20);
                TestClient magic = greet();
                TestClient size = greet();
                TestClient name = greet()) {
            assertThat(flags.isEnded()).isTrue();
            magic.send(ByteBuffer.allocate(16));
            assertThat(magic.isEnded()).isTrue();
            size.sendOption(Protocol.OPT_LIST, 1 << 30, new byte[0]);
            assertThat(size.isEnded()).isTrue();
            name.sendOption(Protocol.OPT_EXPORT_NAME, 3, "foo".getBytes(UTF_8));
            assertThat(name.isEnded()).isTrue();
        }
        try (TestClient good = TestClient.simple(server.socket(), "disk")) {
            assertThat(good.read(0, 16)).isEqualTo(new byte[16]);
        }
    }

    @Test
    void whoSaysNothingHoldsUpNobody() throws Exception {
        try (TestClient silent = TestClient.connect(server.socket());
                TestClient half = greet();
                TestClient good = TestClient.simple(server.socket(), "disk")) {
            half.send(ByteBuffer.allocate(5));
            assertThat(good.read(0, 16)).isEqualTo(new byte[16]);
            assertThat(server.server().connectionCount()).isEqualTo(3);
            assertThat(silent.isOpen()).isTrue();
        }
    }

    @Test
    void moreClientsThanThereMayBeAreSentAway() throws Exception {
        List<TestClient> clients = new ArrayList<>();
        try {
            for (int i = 0; i < NbdServer.MAX_CONNECTIONS; i++) {
                clients.add(TestClient.simple(server.socket(), "disk"));
            }
            try (TestClient last = TestClient.connect(server.socket())) {
                assertThat(last.isEnded()).isTrue();
            }
            assertThat(clients.getFirst().read(0, 16)).isEqualTo(new byte[16]);
        } finally {
            for (TestClient client : clients) {
                client.close();
            }
        }
    }
}
