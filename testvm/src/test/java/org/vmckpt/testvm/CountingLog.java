package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.awaitility.Awaitility;

/** What the guest of {@code testvm/image/counter.s} says on its serial port. */
final class CountingLog {
    /** The guest tells of every such pass. */
    static final int STEP = 16;

    private static final Pattern PASS = Pattern.compile("pass ([0-9A-F]{8})");

    private final GuestConsole console;

    CountingLog(GuestConsole console) {
        this.console = console;
    }

    private List<String> lines() {
        return console.lines(ConsoleLine.Stray.class).stream()
                .map(ConsoleLine.Stray::text)
                .toList();
    }

    /** The first line of a restored guest may be the rest of one that the original began. */
    private List<Long> passes() {
        return lines().stream()
                .map(PASS::matcher)
                .filter(Matcher::matches)
                .map(line -> Long.parseLong(line.group(1), 16))
                .toList();
    }

    /** 0 before the first. */
    long lastPass() {
        List<Long> passes = passes();
        return passes.isEmpty() ? 0 : passes.getLast();
    }

    /** The first pass after another that the guest tells of. */
    long awaitPassAfter(long pass, Duration timeout) {
        return Awaitility.await("a pass after " + pass)
                .atMost(timeout)
                .until(
                        () -> passes().stream().filter(it -> it > pass).findFirst(),
                        it -> it.isPresent() || saysBad())
                .orElseThrow(() -> new AssertionError("the guest found an error: " + lines()));
    }

    private boolean saysBad() {
        return lines().stream().anyMatch(line -> line.contains("bad"));
    }

    /** No word was wrong, and no pass is missing. */
    void requireFlawless() {
        assertThat(saysBad()).as("%s", lines()).isFalse();
        List<Long> passes = passes();
        for (int i = 1; i < passes.size(); i++) {
            assertThat(passes.get(i)).isEqualTo(passes.get(i - 1) + STEP);
        }
    }
}
