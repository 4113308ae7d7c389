package org.vmckpt.cow.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.cow.memory.RamBlockList.Identity;
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
        RamBlockTable table = RamBlockTable.parse(TOLD.replace("\n", "\r\n"), Map.of());
        assertThat(table.lines())
                .containsExactly(
                        new Line("mem0", 192 << 20, 0x7fd89ffff000L),
                        new Line("/rom@etc/acpi/tables", 0x20000, 0x7fd8f0800000L));
    }

    /** Of QEMU 7.2. */
    private static final String UNTOLD =
            """
                          Block Name    PSize              Offset               Used              Total
                                mem0    4 KiB  0x0000000000000000 0x000000000c000000 0x000000000c000000
                /rom@etc/acpi/tables    4 KiB  0x000000000d0c0000 0x0000000000020000 0x0000000000200000
            """;

    @Test
    void olderQemuTellsNoAddresses() {
        assertThat(RamBlockTable.hasAddresses(UNTOLD)).isFalse();
        assertThat(RamBlockTable.hasAddresses("")).isFalse();
        assertThat(RamBlockTable.hasAddresses(TOLD)).isTrue();
        assertThatThrownBy(() -> RamBlockTable.parse(UNTOLD, Map.of()))
                .isInstanceOf(ProtocolException.class);
    }

    @Test
    void whatIsNotToldIsLookedUpByAllThatIsKnownOfABlock() throws Exception {
        Identity memory = new Identity("mem0", 0, 192 << 20, 192 << 20);
        Identity tables = new Identity("/rom@etc/acpi/tables", 0xd0c0000, 0x20000, 0x200000);
        assertThat(RamBlockTable.parse(UNTOLD, Map.of(memory, 0x1000L, tables, 0x2000L)).lines())
                .containsExactly(
                        new Line("mem0", 192 << 20, 0x1000),
                        new Line("/rom@etc/acpi/tables", 0x20000, 0x2000));
        for (Identity other :
                List.of(
                        new Identity("/rom@etc/acpi/table", 0xd0c0000, 0x20000, 0x200000),
                        new Identity("/rom@etc/acpi/tables", 0xd0c1000, 0x20000, 0x200000),
                        new Identity("/rom@etc/acpi/tables", 0xd0c0000, 0x21000, 0x200000),
                        new Identity("/rom@etc/acpi/tables", 0xd0c0000, 0x20000, 0x201000))) {
            assertThatThrownBy(() ->
                            RamBlockTable.parse(UNTOLD, Map.of(memory, 0x1000L, other, 0x2000L)))
                    .isInstanceOf(ProtocolException.class)
                    .hasMessageContaining("acpi/tables");
        }
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
            assertThatThrownBy(() -> RamBlockTable.parse(other, Map.of()))
                    .isInstanceOf(ProtocolException.class)
                    .hasMessageContaining("info ramblock");
        }
    }
}
