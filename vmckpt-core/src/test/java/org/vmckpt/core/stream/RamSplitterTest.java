package org.vmckpt.core.stream;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.stream.DeviceStream.RamBlock;

/** Whole migration streams, written here by hand. */
class RamSplitterTest {
    private static final int PAGES = 64;

    /** What the splitter hands out: by block, and in it by page. */
    private static final class Collected implements RamPages {
        final Map<String, Map<Long, byte[]>> pages = new TreeMap<>();

        @Override
        public Optional<BlockPages> open(RamBlock block) {
            if (!block.name().startsWith("mem")) {
                return Optional.empty();
            }
            Map<Long, byte[]> found = new TreeMap<>();
            pages.put(block.name(), found);
            return Optional.of(
                    new BlockPages() {
                        @Override
                        public void page(long number, ByteBuffer content) {
                            byte[] bytes = new byte[content.remaining()];
                            content.get(bytes);
                            found.put(number, bytes);
                        }

                        @Override
                        public void zero(long number) {
                            found.put(number, new byte[4096]);
                        }
                    });
        }
    }

    /** A random guest: what its stream is, and what should be found in it. */
    private static final class RandomGuest {
        final HandmadeStream stream = new HandmadeStream();
        final Map<String, Map<Long, byte[]>> memory =
                new TreeMap<>(Map.of("mem0", new TreeMap<>(), "mem1", new TreeMap<>()));

        RandomGuest(Random random) throws IOException {
            stream.header("pc").startRam(Map.of("mem0", PAGES, "mem1", PAGES, "rom", 1));
            int pages = random.nextInt(200);
            for (int i = 0; i < pages; i++) {
                if (random.nextInt(10) == 0) {
                    stream.endSection().beginPart();
                }
                String block = random.nextBoolean() ? "mem0" : "mem1";
                long page = random.nextInt(PAGES);
                byte[] content = new byte[4096];
                if (random.nextInt(3) == 0) {
                    stream.zero(block, page);
                } else {
                    random.nextBytes(content);
                    stream.page(block, page, content);
                }
                memory.computeIfAbsent(block, name -> new TreeMap<>()).put(page, content);
                if (i == pages / 2) {
                    stream.page("rom", 0, HandmadeStream.filled(7));
                }
            }
            if (pages == 0) {
                stream.page("rom", 0, HandmadeStream.filled(7));
            }
            stream.endSection().devices();
        }
    }

    private static byte[] split(byte[] stream, RamPages pages) throws VmckptException {
        return RamSplitter.split(Channels.newChannel(new ByteArrayInputStream(stream)), pages);
    }

    private static void assertSame(
            Map<String, Map<Long, byte[]>> found, Map<String, Map<Long, byte[]>> expected) {
        assertThat(found.keySet()).isEqualTo(expected.keySet());
        expected.forEach((block, pages) -> {
            assertThat(found.getOrDefault(block, Map.of()).keySet()).isEqualTo(pages.keySet());
            pages.forEach((page, content) ->
                    assertThat(found.getOrDefault(block, Map.of()).get(page))
                            .as("%s %d", block, page)
                            .isEqualTo(content));
        });
    }

    @Test
    void everyPageIsFoundAndTheRestIsADeviceStream() throws Exception {
        for (int seed = 0; seed < 100; seed++) {
            RandomGuest guest = new RandomGuest(new Random(seed));
            Collected collected = new Collected();
            DeviceStream left = DeviceStream.parse(split(guest.stream.toByteArray(), collected));
            assertSame(collected.pages, guest.memory);
            assertThat(left.machine()).as("seed %d", seed).isEqualTo("pc");
            assertThat(left.ignoresShared()).isFalse();
            assertThat(left.ramBlocks())
                    .containsExactlyInAnyOrder(
                            new RamBlock("mem0", PAGES * 4096L, 0, 0),
                            new RamBlock("mem1", PAGES * 4096L, 0, 0),
                            new RamBlock("rom", 4096, 0, 1));
            assertThat(left.sections()).hasSize(1);
        }
    }

    /** What a restore does: the pages are put back at the place that the stream tells. */
    @Test
    void putTogetherAgainTheSameComesOut() throws Exception {
        for (int seed = 0; seed < 100; seed++) {
            RandomGuest guest = new RandomGuest(new Random(seed));
            Collected collected = new Collected();
            byte[] left = split(guest.stream.toByteArray(), collected);
            Collected again = new Collected();
            assertThat(split(rejoin(left, collected.pages), again)).isEqualTo(left);
            assertSame(again.pages, guest.memory);
        }
    }

    private static byte[] rejoin(byte[] left, Map<String, Map<Long, byte[]>> memory)
            throws VmckptException {
        DeviceStream parsed = DeviceStream.parse(left);
        ByteBuffer out = ByteBuffer.allocate(1 << 20);
        out.put(left, 0, parsed.ramSetupEnd());
        RamEncoder.beginPart(out, parsed.ramSectionId());
        memory.forEach((block, pages) ->
                pages.forEach((page, content) -> {
                    if (Arrays.equals(content, new byte[4096])) {
                        RamEncoder.zero(out, block, page);
                    } else {
                        RamEncoder.page(out, block, page, ByteBuffer.wrap(content));
                    }
                }));
        RamEncoder.end(out, parsed.ramSectionId());
        out.put(left, parsed.ramSetupEnd(), left.length - parsed.ramSetupEnd());
        return Arrays.copyOf(out.array(), out.position());
    }

    @Test
    void bytesOfAPageAreThoseOfQemusFormat() throws Exception {
        byte[] stream =
                new HandmadeStream()
                        .header("pc")
                        .startRam(Map.of("rom", 2))
                        .page("rom", 1, HandmadeStream.filled(7))
                        .endSection()
                        .devices()
                        .toByteArray();
        ByteBuffer encoded = ByteBuffer.allocate(RamEncoder.MAX_RECORD_BYTES);
        RamEncoder.page(encoded, "rom", 1, ByteBuffer.wrap(HandmadeStream.filled(7)));
        byte[] record = Arrays.copyOf(encoded.array(), encoded.position());
        assertThat(record).startsWith(0, 0, 0, 0, 0, 0, 0x10, 8, 3, 'r', 'o', 'm', 7);
        assertThat(indexOf(stream, record)).isPositive();
    }

    private static int indexOf(byte[] whole, byte[] part) {
        for (int i = 0; i + part.length <= whole.length; i++) {
            if (Arrays.equals(whole, i, i + part.length, part, 0, part.length)) {
                return i;
            }
        }
        return -1;
    }

    @Test
    void streamCutAnywhereIsCorrupt() throws Exception {
        byte[] whole = new RandomGuest(new Random(1)).stream.toByteArray();
        for (int length = 0; length < whole.length; length += length < 300 ? 1 : 97) {
            byte[] cut = Arrays.copyOf(whole, length);
            assertThatThrownBy(() -> DeviceStream.parse(split(cut, new Collected())))
                    .as("cut to %d bytes", length)
                    .isInstanceOf(CorruptException.class);
        }
    }

    @Test
    void randomDamageIsReportedOrHarmlessAndNothingElse() throws Exception {
        Random random = new Random(20261122);
        byte[] whole = new RandomGuest(new Random(2)).stream.toByteArray();
        for (int round = 0; round < 1_000; round++) {
            byte[] damaged = whole.clone();
            damaged[random.nextInt(round % 2 == 0 ? 400 : damaged.length)] =
                    (byte) random.nextInt();
            try {
                DeviceStream.parse(split(damaged, new Collected()));
            } catch (CorruptException | UnsupportedException e) {
                assertThat(e.getMessage()).isNotEmpty();
            }
        }
    }

    @Test
    void commandBeforeTheLastMemoryIsKeptWhereItWas() throws Exception {
        byte[] stream =
                new HandmadeStream()
                        .header("pc")
                        .startRam(Map.of("mem0", 1, "rom", 1))
                        .endSection()
                        .switchover()
                        .beginPart()
                        .zero("mem0", 0)
                        .page("rom", 0, HandmadeStream.filled(1))
                        .endSection()
                        .devices()
                        .toByteArray();
        Collected collected = new Collected();
        DeviceStream left = DeviceStream.parse(split(stream, collected));
        assertThat(collected.pages.get("mem0")).containsOnlyKeys(0L);
        assertThat(left.ramBlocks()).contains(new RamBlock("rom", 4096, 0, 1));
    }

    @Test
    void brokenChannelIsATransportError() {
        assertThatThrownBy(() -> RamSplitter.split(failing(), new Collected()))
                .isInstanceOf(TransportException.class)
                .hasMessageContaining("gone");
    }

    private static ReadableByteChannel failing() {
        return new ReadableByteChannel() {
            @Override
            public int read(ByteBuffer to) throws IOException {
                throw new IOException("gone");
            }

            @Override
            public boolean isOpen() {
                return true;
            }

            @Override
            public void close() {}
        };
    }

    @Test
    void leftOverThatIsTooLargeIsRefused() throws Exception {
        ByteArrayOutputStream endless = new ByteArrayOutputStream();
        endless.writeBytes(
                new HandmadeStream()
                        .header("pc")
                        .startRam(Map.of("mem0", 1))
                        .endSection()
                        .toByteArray());
        endless.write(4);
        endless.writeBytes(new byte[KeptBytes.LIMIT_BYTES]);
        assertThatThrownBy(() -> split(endless.toByteArray(), new Collected()))
                .isInstanceOf(UnsupportedException.class)
                .hasMessageContaining("larger than");
    }

    @Test
    void pageOutsideItsBlockIsCorrupt() {
        for (long page : List.of(1L, 1L << 40)) {
            assertThatThrownBy(() ->
                            split(
                                    new HandmadeStream()
                                            .header("pc")
                                            .startRam(Map.of("mem0", 1))
                                            .zero("mem0", page)
                                            .endSection()
                                            .devices()
                                            .toByteArray(),
                                    new Collected()))
                    .isInstanceOf(CorruptException.class)
                    .hasMessageContaining("mem0");
        }
    }
}
