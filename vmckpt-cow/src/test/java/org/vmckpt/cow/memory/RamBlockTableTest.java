package org.vmckpt.cow.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.cow.memory.RamBlockTable.Line;

class RamBlockTableTest {
    /** Of QEMU 10.0; the line without a name is of a block that is not migrated. */
    private static final String TOLD =
            """
                          Block Name    PSize              Offset               Used              Total                HVA  RO
                                mem0    4 KiB  0x0000000000000000 0x000000000c000000 0x000000000c000000 0x00007fd89ffff000  rw
                /rom@etc/acpi/tables    4 KiB  0x000000000d0c0000 0x0000000000020000 0x0000000000200000 0x00007fd8f0800000  ro
                                        4 KiB  0x000000000d300000 0x0000000000001000 0x0000000000001000 0x00007fd8f0400000  rw
            """;

    @Test
    void blocksAreReadAndThoseWithoutANamePassedOver() throws Exception {
        RamBlockTable table = RamBlockTable.parse(TOLD.replace("\n", "\r\n"));
        assertThat(table.lines())
                .containsExactly(
                        new Line("mem0", 192 << 20, 0x7fd89ffff000L),
                        new Line("/rom@etc/acpi/tables", 0x20000, 0x7fd8f0800000L));
    }

    @Test
    void olderQemuTellsNoAddresses() {
        String told =
                """
                              Block Name    PSize              Offset               Used              Total
                                    mem0    4 KiB  0x0000000000000000 0x000000000c000000 0x000000000c000000
                """;
        assertThat(RamBlockTable.hasAddresses(told)).isFalse();
        assertThat(RamBlockTable.hasAddresses("")).isFalse();
        assertThat(RamBlockTable.hasAddresses(TOLD)).isTrue();
        assertThatThrownBy(() -> RamBlockTable.parse(told)).isInstanceOf(ProtocolException.class);
    }

    @Test
    void lineOfAnotherShapeIsNotGuessedAt() {
        for (String other :
                new String[] {
                    TOLD.replace("0x0000000000020000", "131072"),
                    TOLD.replace("0x00007fd8f0800000", "-"),
                    TOLD.replace("/rom@etc/acpi/tables", "mem0"),
                    TOLD + "one more line\n"
                }) {
            assertThatThrownBy(() -> RamBlockTable.parse(other))
                    .isInstanceOf(ProtocolException.class)
                    .hasMessageContaining("info ramblock");
        }
    }
}
