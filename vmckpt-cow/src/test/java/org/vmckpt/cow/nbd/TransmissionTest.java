package org.vmckpt.cow.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vmckpt.cow.nbd.TestClient.Chunk;
import org.vmckpt.cow.nbd.TestClient.Reply;
import org.vmckpt.cow.volume.GatedFile;

final class TransmissionTest {
    private static final int SIZE = 40 << 20;

    private final GatedFile file = new GatedFile(SIZE);
    private TestServer server;

    @BeforeEach
    void start() throws Exception {
        server = TestServer.over(file);
    }

    @AfterEach
    void close() throws Exception {
        server.close();
    }

    private TestClient simple() throws Exception {
        return TestClient.simple(server.socket(), "disk");
    }

    private TestClient structured() throws Exception {
        return TestClient.structured(server.socket(), "disk");
    }

    private static byte[] random(int bytes) {
        byte[] data = new byte[bytes];
        new Random(bytes).nextBytes(data);
        return data;
    }

    @Test
    void whatWasWrittenIsReadThroughAnotherConnection() throws Exception {
        byte[] data = random(5000);
        try (TestClient writer = simple();
                TestClient reader = structured()) {
            writer.write(1, 777, data);
            assertThat(writer.reply()).isEqualTo(new Reply(0, 1));
            reader.request(Protocol.CMD_READ, 0, 2, 777, data.length);
            Chunk chunk = reader.chunk();
            assertThat(chunk.type()).isEqualTo(Protocol.REPLY_TYPE_OFFSET_DATA);
            assertThat(chunk.isLast()).isTrue();
            assertThat(ByteBuffer.wrap(chunk.data()).getLong()).isEqualTo(777);
            assertThat(Arrays.copyOfRange(chunk.data(), 8, chunk.data().length)).isEqualTo(data);
        }
    }

    @Test
    void manyRequestsInOneGoAreAllAnswered() throws Exception {
        try (TestClient client = simple()) {
            ByteBuffer burst = ByteBuffer.allocate(1000 * (28 + 512));
            for (int i = 0; i < 1000; i++) {
                burst.putInt(Protocol.REQUEST_MAGIC).putShort((short) 0);
                burst.putShort((short) Protocol.CMD_WRITE).putLong(i).putLong(i * 512L).putInt(512);
                burst.put(new byte[512]);
            }
            Thread.ofVirtual().start(() -> send(client, burst));
            // In any order: a request may be overtaken.
            Set<Reply> replies = new HashSet<>();
            for (int i = 0; i < 1000; i++) {
                replies.add(client.reply());
            }
            Set<Reply> wanted =
                    LongStream.range(0, 1000)
                            .mapToObj(cookie -> new Reply(0, cookie))
                            .collect(Collectors.toSet());
            assertThat(replies).isEqualTo(wanted);
        }
    }

    private static void send(TestClient client, ByteBuffer bytes) {
        try {
            client.send(bytes);
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Test
    void requestsThatMayNotBeAreRefusedAndLeaveTheConnectionUsable() throws Exception {
        long end = SIZE;
        try (TestClient client = simple()) {
            assertError(client, Protocol.CMD_READ, 0, end - 100, 101, NbdError.EINVAL);
            assertError(client, Protocol.CMD_READ, 0, -1, 1, NbdError.EINVAL);
            assertError(client, Protocol.CMD_READ, 0, Long.MAX_VALUE, 4096, NbdError.EINVAL);
            assertError(client, Protocol.CMD_READ, 0, 0, 33 << 20, NbdError.EOVERFLOW);
            assertError(client, Protocol.CMD_READ, 1 << 9, 0, 512, NbdError.EINVAL);
            assertError(client, Protocol.CMD_READ, Protocol.CMD_FLAG_DF, 0, 512, NbdError.EINVAL);
            assertError(client, Protocol.CMD_TRIM, 0, end, 1, NbdError.EINVAL);
            assertError(client, Protocol.CMD_WRITE_ZEROES, 0, end, 1, NbdError.ENOSPC);
            int fastZero = 1 << 4;
            assertError(client, Protocol.CMD_WRITE_ZEROES, fastZero, 0, 512, NbdError.EINVAL);
            assertError(client, Protocol.CMD_FLUSH, 0, 1, 0, NbdError.EINVAL);
            assertError(client, Protocol.CMD_BLOCK_STATUS, 0, 0, 512, NbdError.EINVAL);
            int cache = 5;
            assertError(client, cache, 0, 0, 512, NbdError.EINVAL);
            assertError(client, 200, 0, 0, 0, NbdError.EINVAL);
            client.request(Protocol.CMD_WRITE, 0, 3, end - 10, 600, new byte[600]);
            assertThat(client.reply()).isEqualTo(new Reply(NbdError.ENOSPC.code(), 3));
            client.request(Protocol.CMD_WRITE, 1 << 5, 3, 0, 600, new byte[600]);
            assertThat(client.reply()).isEqualTo(new Reply(NbdError.EINVAL.code(), 3));
            assertThat(client.read(0, 600)).isEqualTo(new byte[600]);
        }
    }

    private static void assertError(
            TestClient client, int type, int flags, long offset, long length, NbdError error)
            throws Exception {
        client.request(type, flags, 99, offset, length);
        assertThat(client.reply()).isEqualTo(new Reply(error.code(), 99));
    }

    @Test
    void errorsOfReadsAreChunksWhenRepliesAreStructured() throws Exception {
        try (TestClient client = structured()) {
            client.request(Protocol.CMD_READ, 0, 5, SIZE, 512);
            Chunk chunk = client.chunk();
            assertThat(chunk.type()).isEqualTo(Protocol.REPLY_TYPE_ERROR);
            assertThat(ByteBuffer.wrap(chunk.data()).getInt()).isEqualTo(NbdError.EINVAL.code());
            client.request(Protocol.CMD_READ, 0, 6, 0, 0);
            assertThat(client.chunk().type()).isEqualTo(Protocol.REPLY_TYPE_NONE);
        }
    }

    @Test
    void readOnlyExportsRefuseChanges() throws Exception {
        try (TestServer readOnly = TestServer.readOnly(file);
                TestClient client = TestClient.simple(readOnly.socket(), "disk")) {
            client.write(1, 0, new byte[512]);
            assertThat(client.reply()).isEqualTo(new Reply(NbdError.EPERM.code(), 1));
            assertError(client, Protocol.CMD_TRIM, 0, 0, 512, NbdError.EPERM);
            assertThat(client.read(0, 4)).isEqualTo(new byte[4]);
        }
    }

    @Test
    void requestsOf32MebibytesAreServedInPieces() throws Exception {
        byte[] data = random(32 << 20);
        try (TestClient plain = simple();
                TestClient client = structured()) {
            plain.write(1, 4096, data);
            assertThat(plain.reply()).isEqualTo(new Reply(0, 1));
            assertThat(plain.read(4096, data.length)).isEqualTo(data);
            client.request(Protocol.CMD_READ, 0, 2, 4096, data.length);
            byte[] read = new byte[data.length];
            Chunk chunk;
            do {
                chunk = client.chunk();
                ByteBuffer part = ByteBuffer.wrap(chunk.data());
                int at = (int) part.getLong() - 4096;
                part.get(read, at, part.remaining());
            } while (!chunk.isLast());
            assertThat(read).isEqualTo(data);
            client.request(Protocol.CMD_READ, Protocol.CMD_FLAG_DF, 3, 0, 3 << 20);
            assertThat(ByteBuffer.wrap(client.chunk().data()).getInt())
                    .isEqualTo(NbdError.EOVERFLOW.code());
        }
    }

    @Test
    void zeroesTrimForcedWritesFlushAndBlockStatusAreServed() throws Exception {
        try (TestClient client = structured()) {
            client.write(1, 0, random(8192));
            assertThat(client.reply().error()).isZero();
            int syncs = file.syncs();
            client.request(Protocol.CMD_WRITE_ZEROES, Protocol.CMD_FLAG_NO_HOLE, 2, 100, 4000);
            assertThat(client.reply().error()).isZero();
            assertThat(file.syncs()).isEqualTo(syncs);
            client.request(Protocol.CMD_TRIM, Protocol.CMD_FLAG_FUA, 3, 4096, 4096);
            assertThat(client.reply().error()).isZero();
            assertThat(file.syncs()).isEqualTo(syncs + 1);
            client.request(Protocol.CMD_WRITE, Protocol.CMD_FLAG_FUA, 4, 0, 512, new byte[512]);
            assertThat(client.reply().error()).isZero();
            assertThat(file.syncs()).isEqualTo(syncs + 2);
            client.request(Protocol.CMD_FLUSH, 0, 5, 0, 0);
            assertThat(client.reply().error()).isZero();
            client.request(Protocol.CMD_BLOCK_STATUS, 0, 6, 0, 4096);
            Chunk status = client.chunk();
            assertThat(status.type()).isEqualTo(Protocol.REPLY_TYPE_BLOCK_STATUS);
            assertThat(status.data())
                    .isEqualTo(
                            ByteBuffer.allocate(12)
                                    .putInt(Session.CONTEXT_ID)
                                    .putInt(4096)
                                    .putInt(0)
                                    .array());
        }
    }

    @Test
    void garbageEndsTheConnectionAndHarmsNobody() throws Exception {
        try (TestClient bad = simple();
                TestClient large = simple();
                TestClient cut = simple();
                TestClient good = simple()) {
            bad.send(ByteBuffer.wrap(random(28)));
            assertThat(bad.isEnded()).isTrue();
            large.request(Protocol.CMD_WRITE, 0, 1, 0, 0xf000_0000L);
            assertThat(large.isEnded()).isTrue();
            cut.request(Protocol.CMD_WRITE, 0, 1, 0, 4096, random(100));
            cut.leave();
            assertThat(good.read(0, 4096)).isEqualTo(new byte[4096]);
        }
    }

    @Test
    void aClientThatReadsNoAnswersHoldsUpNobodyElse() throws Exception {
        try (TestClient deaf = simple();
                TestClient good = simple()) {
            Thread.ofVirtual()
                    .start(() -> {
                        try {
                            for (int i = 0; i < 10_000; i++) {
                                deaf.request(Protocol.CMD_READ, 0, i, 0, 1 << 20);
                            }
                        } catch (java.io.IOException closedByTheTest) {
                            // That is its end.
                        }
                    });
            for (int i = 0; i < 100; i++) {
                assertThat(good.read(4096L * i, 4096)).isEqualTo(new byte[4096]);
            }
        }
    }

    @Test
    void orderlyDisconnectAnswersWhatIsUnderWay() throws Exception {
        try (TestClient client = simple();
                GatedFile.Gate gate = file.gate(it -> it.kind().equals("sync"))) {
            client.write(1, 0, new byte[512]);
            assertThat(client.reply()).isEqualTo(new Reply(0, 1));
            client.request(Protocol.CMD_FLUSH, 0, 2, 0, 0);
            client.request(Protocol.CMD_DISC, 0, 0, 0, 0);
            gate.awaitWaiting(1);
            gate.open();
            assertThat(client.reply()).isEqualTo(new Reply(0, 2));
            assertThat(client.isEnded()).isTrue();
        }
    }
}
