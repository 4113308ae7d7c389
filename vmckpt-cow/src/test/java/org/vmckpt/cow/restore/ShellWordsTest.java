package org.vmckpt.cow.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.vmckpt.core.UnsupportedException;

class ShellWordsTest {
    @Test
    void spacesPartAndQuotesKeepTogether() throws UnsupportedException {
        assertThat(ShellWords.split("  -append 'a  b' \"c\\\"d\" e\\ f '' "))
                .containsExactly("-append", "a  b", "c\"d", "e f", "");
        assertThat(ShellWords.split(" ")).isEmpty();
    }

    @Test
    void anOpenQuoteIsRefused() {
        assertThatThrownBy(() -> ShellWords.split("-name 'x"))
                .isInstanceOf(UnsupportedException.class);
    }
}
