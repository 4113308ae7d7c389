package org.vmckpt.cow.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vmckpt.cow.nbd.TestClient.Reply;
import org.vmckpt.cow.volume.GatedFile;

/** A connection whose thread is caught in a slow request goes on serving. */
final class ReliefTest {
    private static final int SLOW_AT = 1 << 20;

    private final GatedFile file = new GatedFile(4 << 20);
    private TestServer server;

    @BeforeEach
    void start() throws Exception {
        server = TestServer.over(file);
    }

    @AfterEach
    void close() throws Exception {
        server.close();
    }

    @Test
    void requestsBehindASlowOneAreAnsweredBeforeIt() throws Exception {
        try (TestClient client = TestClient.simple(server.socket(), "disk");
                GatedFile.Gate gate = file.gate(it -> it.touches(SLOW_AT, 4096))) {
            for (int i = 0; i < 3; i++) {
                client.write(100 + i, 512L * i, new byte[512]);
            }
            client.request(Protocol.CMD_READ, 0, 1, SLOW_AT, 4096);
            for (int i = 0; i < 3; i++) {
                client.write(200 + i, 512L * i, new byte[512]);
            }
            // In any order: on a busy host each of them may seem slow, and be given away.
            Set<Reply> replies = new HashSet<>();
            for (int i = 0; i < 6; i++) {
                replies.add(client.reply());
            }
            assertThat(replies)
                    .extracting(Reply::cookie)
                    .containsExactlyInAnyOrder(100L, 101L, 102L, 200L, 201L, 202L);
            assertThat(replies).allMatch(reply -> reply.error() == 0);
            gate.open();
            assertThat(client.reply()).isEqualTo(new Reply(0, 1));
            assertThat(client.data(4096)).isEqualTo(new byte[4096]);
        }
    }

    @Test
    void manySlowOnesAreUnderWayTogether() throws Exception {
        int count = 20;
        try (TestClient client = TestClient.simple(server.socket(), "disk");
                GatedFile.Gate gate = file.gate(it -> it.kind().equals("write"))) {
            for (int i = 0; i < count; i++) {
                client.write(i, 4096L * i, new byte[4096]);
            }
            gate.awaitWaiting(count);
            gate.open();
            boolean[] seen = new boolean[count];
            for (int i = 0; i < count; i++) {
                seen[(int) client.reply().cookie()] = true;
            }
            assertThat(seen).doesNotContain(false);
        }
    }

    @Test
    void aHoldAnswersWhatIsUnderWayAndWhatComes() throws Exception {
        int eio = NbdError.EIO.code();
        try (TestClient client = TestClient.simple(server.socket(), "disk");
                GatedFile.Gate gate = file.gateWrites(SLOW_AT, 8192)) {
            client.write(1, SLOW_AT, new byte[4096]);
            client.write(2, SLOW_AT + 4096, new byte[4096]);
            gate.awaitWaiting(1);
            server.hold();
            client.write(3, 0, new byte[4096]);
            boolean[] seen = new boolean[4];
            for (int i = 0; i < 3; i++) {
                Reply reply = client.reply();
                assertThat(reply.error()).isEqualTo(eio);
                seen[(int) reply.cookie()] = true;
            }
            assertThat(seen).containsExactly(false, true, true, true);
            server.volume().release();
            gate.open();
            // Neither of the two is answered again.
            assertThat(client.read(0, 512)).isEqualTo(new byte[512]);
        }
    }
}
