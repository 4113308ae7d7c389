package org.vmckpt.core.stream;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.vmckpt.core.CorruptException;

/** Streams written here by hand; DeviceStreamIT parses those of real QEMUs. */
class DeviceStreamTest {
    private static final String DESCRIPTION =
            "{\"page_size\": 4096, \"devices\": [{\"name\": \"timer\", \"instance_id\": 0,"
                + " \"fields\": [{\"name\": \"ticks\", \"type\": \"int64\", \"size\": 8},{\"name\":"
                + " \"regs\", \"array_len\": 3, \"type\": \"uint16\", \"size\":"
                + " 2}],\"subsections\": [{\"vmsd_name\": \"timer/extra\", \"version\":"
                + " 1,\"fields\": [{\"name\": \"x\", \"size\": 1}]}]}]}";

    private static byte[] stream() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(bytes);
        out.writeInt(0x5145564d);
        out.writeInt(3);
        out.writeByte(7);
        out.writeInt(2);
        out.writeBytes("pc");
        out.writeByte(5);
        shortString(out, "configuration/capabilities");
        out.writeInt(1);
        out.writeInt(1);
        shortString(out, "x-ignore-shared");
        out.writeByte(1);
        out.writeInt(2);
        shortString(out, "ram");
        out.writeInt(0);
        out.writeInt(4);
        out.writeLong(0x3000 | 4);
        shortString(out, "mem0");
        out.writeLong(0x2000);
        out.writeLong(0);
        shortString(out, "rom");
        out.writeLong(0x1000);
        out.writeLong(0xf0000);
        out.writeLong(8);
        shortString(out, "rom");
        out.write(new byte[4096]);
        out.writeLong(0x10);
        footer(out, 2);
        out.writeByte(8);
        out.writeShort(11);
        out.writeShort(0);
        out.writeByte(4);
        out.writeInt(5);
        shortString(out, "timer");
        out.writeInt(0);
        out.writeInt(2);
        out.writeLong(77);
        out.write(new byte[6]);
        out.writeByte(5);
        shortString(out, "timer/extra");
        out.writeInt(1);
        out.writeByte(9);
        footer(out, 5);
        out.writeByte(0);
        out.writeByte(6);
        out.writeInt(DESCRIPTION.length());
        out.writeBytes(DESCRIPTION);
        return bytes.toByteArray();
    }

    private static void shortString(DataOutputStream out, String text) throws IOException {
        out.writeByte(text.length());
        out.writeBytes(text);
    }

    private static void footer(DataOutputStream out, int sectionId) throws IOException {
        out.writeByte(0x7e);
        out.writeInt(sectionId);
    }

    @Test
    void wholeStreamNamesItsMachineBlocksAndDevices() throws Exception {
        DeviceStream parsed = DeviceStream.parse(stream());
        assertThat(parsed.machine()).isEqualTo("pc");
        assertThat(parsed.ramBlocks())
                .containsExactly(
                        new DeviceStream.RamBlock("mem0", 0x2000, 0, 0),
                        new DeviceStream.RamBlock("rom", 0x1000, 0xf0000, 1));
        assertThat(parsed.sections()).hasSize(1);
        assertThat(parsed.sections().getFirst().name()).isEqualTo("timer");
        assertThat(parsed.sections().getFirst().sizeBytes()).isEqualTo(8 + 6 + 2 + 11 + 4 + 1);
    }

    @Test
    void streamCutAnywhereIsCorrupt() throws Exception {
        byte[] whole = stream();
        for (int length = 0; length < whole.length; length++) {
            byte[] cut = Arrays.copyOf(whole, length);
            assertThatThrownBy(() -> DeviceStream.parse(cut))
                    .as("cut to %d bytes", length)
                    .isInstanceOf(CorruptException.class);
        }
    }

    @Test
    void randomDamageIsCorruptOrHarmlessAndNothingElse() throws Exception {
        Random random = new Random(20261121);
        for (int round = 0; round < 20_000; round++) {
            byte[] damaged = stream();
            damaged[random.nextInt(damaged.length)] = (byte) random.nextInt();
            try {
                DeviceStream.parse(damaged);
            } catch (CorruptException e) {
                assertThat(e).hasMessageContaining("device stream");
            }
        }
    }

    @Test
    void commandOfAnotherKindIsCorrupt() throws Exception {
        byte[] stream = stream();
        byte[] command = {8, 0, 11, 0, 0};
        int at =
                new String(stream, StandardCharsets.ISO_8859_1)
                        .indexOf(new String(command, StandardCharsets.ISO_8859_1));
        stream[at + 2] = 7;
        assertThatThrownBy(() -> DeviceStream.parse(stream))
                .isInstanceOf(CorruptException.class)
                .hasMessageContaining("command 7");
    }

    @Test
    void otherTextIsNoDeviceStream() {
        assertThatThrownBy(() -> DeviceStream.parse("hello".getBytes(StandardCharsets.UTF_8)))
                .isInstanceOf(CorruptException.class)
                .hasMessageContaining("no device stream");
    }
}
