package org.vmckpt.cow.memory;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class HotBlocksTest {
    private static final int BLOCK = HotBlocks.BLOCK_PAGES;
    private static final int PAGES = 10 * BLOCK + 7;

    private final HotBlocks blocks = new HotBlocks(PAGES);

    @Test
    void withoutHotBlocksAllIsCold() {
        assertThat(blocks.nextCold(3)).isEqualTo(3);
        assertThat(blocks.nextHot(3, PAGES)).isEqualTo(PAGES);
    }

    @Test
    void hotBlocksArePassedAndMet() {
        blocks.add(2 * BLOCK + 5);
        blocks.add(3 * BLOCK);
        assertThat(blocks.contains(2 * BLOCK)).isTrue();
        assertThat(blocks.contains(4 * BLOCK)).isFalse();
        assertThat(blocks.nextCold(2 * BLOCK + 1)).isEqualTo(4 * BLOCK);
        assertThat(blocks.nextHot(1, PAGES)).isEqualTo(2 * BLOCK);
        assertThat(blocks.nextHot(1, BLOCK)).isEqualTo(BLOCK);
    }

    @Test
    void lastBlockMayBePartOfOne() {
        blocks.add(PAGES - 1);
        assertThat(blocks.nextHot(0, PAGES)).isEqualTo(10 * BLOCK);
        assertThat(blocks.nextCold(PAGES - 1)).isGreaterThanOrEqualTo(PAGES);
    }

    @Test
    void clearedNothingIsHot() {
        blocks.add(0);
        blocks.clear();
        assertThat(blocks.nextHot(0, PAGES)).isEqualTo(PAGES);
    }
}
