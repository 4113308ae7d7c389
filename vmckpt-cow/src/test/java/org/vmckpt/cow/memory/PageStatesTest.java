package org.vmckpt.cow.memory;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;

class PageStatesTest {
    private static final int PAGES = 5 * 512 + 13;

    @Test
    void newPagesAreLooseUpToTheLast() {
        PageStates states = new PageStates(PAGES);
        assertThat(states.nextLoose(0, PAGES)).isZero();
        assertThat(states.nextLoose(PAGES - 1, PAGES)).isEqualTo(PAGES - 1);
        states.set(0, PAGES, PageStates.ARMED);
        assertThat(states.nextLoose(0, PAGES)).isEqualTo(PAGES);
        states.lookForLoose();
        assertThat(states.nextLoose(0, PAGES)).isEqualTo(PAGES);
    }

    @Test
    void loosePagesAreFoundHoweverTheyBecameSo() {
        Random random = new Random(7);
        for (int round = 0; round < 200; round++) {
            PageStates states = new PageStates(PAGES);
            states.set(0, PAGES, PageStates.ARMED);
            for (int step = 0; step < 12; step++) {
                int page = random.nextInt(PAGES);
                switch (random.nextInt(4)) {
                    case 0 -> states.change(page, PageStates.ARMED, PageStates.LOOSE);
                    case 1 ->
                            states.set(
                                    page,
                                    random.nextInt(Math.min(900, PAGES - page) + 1),
                                    PageStates.LOOSE);
                    case 2 -> states.changeRun(page, PAGES, PageStates.LOOSE, PageStates.ARMED);
                    default -> states.lookForLoose();
                }
                requireSame(states, random.nextInt(PAGES));
            }
        }
    }

    private static void requireSame(PageStates states, int from) {
        int limit = PAGES;
        for (int page = from; page < limit; ) {
            int expected = states.next(PageStates.LOOSE, page, limit);
            assertThat(states.nextLoose(page, limit)).isEqualTo(expected);
            page = expected + 1;
        }
    }

    @Test
    void noneIsLostThatBecomesLooseDuringTheLook() throws Exception {
        PageStates states = new PageStates(PAGES);
        for (int round = 0; round < 300; round++) {
            states.set(0, PAGES, PageStates.ARMED);
            states.lookForLoose();
            int seed = round;
            Thread writer =
                    Thread.ofPlatform()
                            .start(() -> {
                                Random random = new Random(seed);
                                for (int i = 0; i < 300; i++) {
                                    states.set(random.nextInt(PAGES), 1, PageStates.LOOSE);
                                }
                            });
            while (writer.isAlive()) {
                states.lookForLoose();
            }
            writer.join();
            requireSame(states, 0);
        }
    }
}
