package org.vmckpt.core.stream;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.stream.DeviceStream.RamBlock;
import org.vmckpt.core.stream.DeviceStreamBuilder.Content;

/**
 * {@code devices-10.0.bin} was written by xen-save-devices-state of QEMU 10.0 in its firmware's
 * boot menu; {@code devices-10.0.txt} is what the description of snapshot-save's stream of the same
 * guest said: name, instance, version and bytes of each device. PlainDeviceSaverIT compares with
 * the streams of the QEMU that is there.
 */
class DeviceStreamBuilderTest {
    private static final int MIB = 1 << 20;

    /** Of what {@link #device} writes: magic and version, and before the state. */
    private static final int START_BYTES = 8;

    private static final int HEADER_BYTES = 1 + 4 + 1 + "timer".length() + 4 + 4;

    private static byte[] resource(String name) throws IOException {
        try (InputStream in = DeviceStreamBuilderTest.class.getResourceAsStream(name)) {
            return in.readAllBytes();
        }
    }

    private static byte[] captured() throws IOException {
        return resource("devices-10.0.bin");
    }

    private static final List<RamBlock> BLOCKS =
            List.of(
                    new RamBlock("mem0", 64 * MIB, 0, 0),
                    new RamBlock("vga.vram", 3 * 4096, 0, 0),
                    new RamBlock("pc.bios", 4096, 0, 0));

    private static byte[] build(byte[] devices) throws Exception {
        ByteBuffer video = ByteBuffer.allocateDirect(3 * 4096);
        video.put(4096, (byte) 7).put(2 * 4096 - 1, (byte) 8);
        ByteBuffer firmware = ByteBuffer.wrap(HandmadeStream.filled(9));
        return DeviceStreamBuilder.build(
                "pc-i440fx-10.0",
                devices,
                BLOCKS,
                List.of(new Content("vga.vram", video), new Content("pc.bios", firmware)));
    }

    @Test
    void capturedDevicesAreThoseThatQemuItselfDescribes() throws Exception {
        DeviceStream parsed = DeviceStream.parse(build(captured()));
        StringBuilder found = new StringBuilder();
        for (DeviceStream.Section device : parsed.sections()) {
            found.append(
                    "%s %d %d %d\n"
                            .formatted(
                                    device.name(),
                                    device.instance(),
                                    device.version(),
                                    device.sizeBytes()));
        }
        assertThat(found)
                .hasToString(new String(resource("devices-10.0.txt"), StandardCharsets.UTF_8));
    }

    @Test
    void streamTellsItsMachineAndHoldsEveryPageOfTheSmallBlocks() throws Exception {
        DeviceStream parsed = DeviceStream.parse(build(captured()));
        assertThat(parsed.machine()).isEqualTo("pc-i440fx-10.0");
        assertThat(parsed.ignoresShared()).isTrue();
        assertThat(parsed.ramBlocks())
                .containsExactly(
                        new RamBlock("mem0", 64 * MIB, 0, 0),
                        new RamBlock("vga.vram", 3 * 4096, 0, 3),
                        new RamBlock("pc.bios", 4096, 0, 1));
    }

    @Test
    void pagesAreWhereTheyWereAndZerosTakeNoRoom() throws Exception {
        byte[] stream = build(captured());
        Map<String, String> pages = new TreeMap<>();
        RamSplitter.split(
                Channels.newChannel(new java.io.ByteArrayInputStream(stream)),
                block -> Optional.of(new Noting(block.name(), pages)));
        assertThat(pages)
                .containsExactlyInAnyOrderEntriesOf(
                        Map.of(
                                "vga.vram 0", "zero",
                                "vga.vram 1", "7..8",
                                "vga.vram 2", "zero",
                                "pc.bios 0", "9..9"));
        assertThat(stream.length).isLessThan(captured().length + 2 * 4096 + 4096);
    }

    private record Noting(String block, Map<String, String> pages) implements RamPages.BlockPages {
        @Override
        public void page(long number, ByteBuffer content) {
            ByteBuffer bytes = content.slice();
            pages.put(block + " " + number, bytes.get(0) + ".." + bytes.get(4095));
        }

        @Override
        public void zero(long number) {
            pages.put(block + " " + number, "zero");
        }
    }

    @Test
    void headerIsByteForByteThatOfQemu() throws Exception {
        byte[] expected =
                ("QEVM\0\0\0\3\7\0\0\0\16pc-i440fx-10.0\5\32configuration/capabilities"
                     + "\0\0\0\1\0\0\0\1\17x-ignore-shared\1\0\0\0\1\3ram\0\0\0\0\0\0\0\4")
                        .getBytes(StandardCharsets.ISO_8859_1);
        assertThat(build(captured())).startsWith(expected);
    }

    @Test
    void devicesCutAnywhereAreCorrupt() throws Exception {
        byte[] whole = captured();
        for (int length = 0; length < whole.length; length += length < 3000 ? 1 : 37) {
            byte[] cut = Arrays.copyOf(whole, length);
            assertThatThrownBy(() -> build(cut))
                    .as("cut to %d bytes", length)
                    .isInstanceOf(CorruptException.class);
        }
    }

    @Test
    void garbledDevicesAreCorruptOrStillWholeAndNothingElse() throws Exception {
        Random random = new Random(20261121);
        int refused = 0;
        for (int round = 0; round < 3000; round++) {
            byte[] garbled = captured();
            for (int hit = 0; hit <= round % 40; hit++) {
                garbled[random.nextInt(garbled.length)] = (byte) random.nextInt();
            }
            try {
                // Damage inside a device's state is QEMU's to find, when it loads it.
                DeviceStream.parse(build(garbled));
            } catch (CorruptException e) {
                assertThat(e).hasMessageContaining("device stream");
                refused++;
            }
        }
        assertThat(refused).isPositive();
    }

    @Test
    void bytesBehindTheEndMarkAreCorrupt() throws Exception {
        byte[] longer = Arrays.copyOf(captured(), captured().length + 1);
        assertThatThrownBy(() -> build(longer)).isInstanceOf(CorruptException.class);
    }

    @Test
    void whatLooksLikeAnEndButLeadsNowhereIsNone() throws Exception {
        byte[] nothingBehindIt = {0x7e, 0, 0, 0, 5, 0, 0, 0, 4, 0x7e, 0, 0, 0, 6};
        byte[] noEndOfWhatIsBehindIt = {
            0x7e, 0, 0, 0, 5, 4, 0, 0, 0, 6, 1, 'x', 0, 0, 0, 0, 0, 0, 0, 0, 1, 2
        };
        for (byte[] state : List.of(nothingBehindIt, noEndOfWhatIsBehindIt)) {
            DeviceStream parsed = DeviceStream.parse(build(device(5, state)));
            assertThat(parsed.sections()).hasSize(1);
            assertThat(parsed.sections().getFirst().sizeBytes()).isEqualTo(state.length);
        }
    }

    /** A guest can put into a device whatever it likes, and gets it back as it was. */
    @Test
    void stateThatLooksLikeSectionsChangesNothingButTheDescription() throws Exception {
        Random random = new Random(20261121);
        int mistaken = 0;
        for (int round = 0; round < 2000; round++) {
            ByteArrayOutputStream state = new ByteArrayOutputStream();
            for (int piece = random.nextInt(12); piece >= 0; piece--) {
                state.writeBytes(lookAlike(random, 1 + random.nextInt(4)));
            }
            byte[] devices = device(3, state.toByteArray());
            byte[] stream = build(devices);
            DeviceStream parsed = DeviceStream.parse(stream);
            int start = parsed.sections().getFirst().offset() - HEADER_BYTES;
            assertThat(Arrays.copyOfRange(stream, start, start + devices.length - START_BYTES))
                    .isEqualTo(Arrays.copyOfRange(devices, START_BYTES, devices.length));
            assertThat(parsed.ramSectionId()).isNotEqualTo(3);
            assertThat(parsed.sections())
                    .noneMatch(section -> section.sectionId() == parsed.ramSectionId());
            mistaken += parsed.sections().size() > 1 ? 1 : 0;
        }
        assertThat(mistaken).isPositive();
    }

    /** A footer, a header, an end mark or any bytes. */
    private static byte[] lookAlike(Random random, int id) {
        byte[] any = new byte[random.nextInt(20)];
        random.nextBytes(any);
        return switch (random.nextInt(5)) {
            case 0, 1 -> new byte[] {0x7e, 0, 0, 0, (byte) id};
            case 2, 3 -> new byte[] {4, 0, 0, 0, (byte) id, 1, 'x', 0, 0, 0, 0, 0, 0, 0, 1};
            default -> any;
        };
    }

    private static byte[] device(int id, byte[] state) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(bytes);
        out.writeInt(0x5145564d);
        out.writeInt(3);
        out.writeByte(4);
        out.writeInt(id);
        out.writeByte(5);
        out.writeBytes("timer");
        out.writeInt(0);
        out.writeInt(2);
        out.write(state);
        out.writeByte(0x7e);
        out.writeInt(id);
        out.writeByte(0);
        return bytes.toByteArray();
    }

    @Test
    void sectionOfRamGetsANumberOfItsOwn() throws Exception {
        DeviceStream parsed = DeviceStream.parse(build(device(1, new byte[8])));
        assertThat(parsed.ramSectionId()).isEqualTo(2);
    }

    @Test
    void tooMuchVideoMemoryInUseIsRefused() throws Exception {
        byte[] devices = captured();
        ByteBuffer full = ByteBuffer.allocate(65 * MIB);
        Arrays.fill(full.array(), (byte) 1);
        List<RamBlock> blocks = new ArrayList<>(BLOCKS);
        blocks.add(new RamBlock("qxl.vram", 65 * MIB, 0, 0));
        assertThatThrownBy(() ->
                        DeviceStreamBuilder.build(
                                "pc", devices, blocks, List.of(new Content("qxl.vram", full))))
                .isInstanceOf(UnsupportedException.class);
    }
}
