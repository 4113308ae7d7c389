package org.vmckpt.cow.definition;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class GuestDefinitionReaderTest {
    @Test
    void argumentsMayBeEmptyAndTheBinarysNameIsLeftOut() {
        byte[] cmdline = "qemu\0-append\0\0-name\0ü\0".getBytes(StandardCharsets.UTF_8);
        assertThat(GuestDefinitionReader.splitArguments(cmdline))
                .containsExactly("-append", "", "-name", "ü");
    }

    @Test
    void aProcessWithoutArgumentsHasNone() {
        assertThat(GuestDefinitionReader.splitArguments(new byte[0])).isEmpty();
    }
}
