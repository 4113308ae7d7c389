package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.checkpoint.DiskIo;
import org.vmckpt.testvm.ConsoleLine;
import org.vmckpt.testvm.GuestConsole;
import org.vmckpt.testvm.Rate;
import org.vmckpt.testvm.TestGuest;
import org.vmckpt.testvm.Workload;

/**
 * How long a guest on a slow volume stands still when pending requests are waited for, and when
 * they are issued again. One guest for each slowness; in every round each way once, in turn. The
 * first round warms up and is not counted.
 */
final class ReissueSuite {
    static final String DRAIN = "--disk-io drain";
    static final String PAUSE = "pause";
    static final List<Long> DELAYS_MILLIS = List.of(1L, 20L, 400L);

    private static final List<String> NOTES =
            List.of(
                    "vmckpt: with --disk-io reissue. undisturbed: nobody saved the guest.",
                    "The guest reads and writes its volume as fast as it goes, and 100 MB/s of"
                            + " memory; each read, write and sync of the volume's files takes the"
                            + " time that is named.",
                    "pause: from QEMU's STOP event to its RESUME event.",
                    "longest disk request, longest stall (of a touch of a page): by the guest's own"
                            + " clock, which stands still in a pause. A request that is issued"
                            + " again takes its time again.",
                    "Every guest judged all of its memory and its volume at the end, and found no"
                            + " error.");

    private static final long MIB = 1L << 20;
    private static final long MEMORY_BYTES = 256 * MIB;
    private static final long VOLUME_BYTES = 64 * MIB;
    private static final long REGION_BYTES = 64 * MIB;
    private static final Rate MEMORY_RATE =
            Rate.perSecond(CowLoad.SLOW.bytesPerSecond() / CowLoad.PAGE_BYTES);
    private static final Rate TOUCHES = Rate.perSecond(1000);
    private static final Duration SOON = Duration.ofMinutes(2);
    private static final int WARM_TICKS = 12;

    /** Rounds: it is there to compare with, and takes time. */
    private static final int UNDISTURBED_EVERY = 4;

    private final int rounds;
    private final PrintStream log;

    ReissueSuite(int rounds, PrintStream log) {
        this.rounds = rounds;
        this.log = log;
    }

    /** By the delay in milliseconds. */
    Map<Long, Samples> run() throws VmckptException, IOException, InterruptedException {
        Map<Long, Samples> all = new LinkedHashMap<>();
        for (long delay : DELAYS_MILLIS) {
            all.put(delay, measure(delay));
        }
        return all;
    }

    static BenchReport report(Map<Long, Samples> measured) {
        List<BenchRow> rows = new ArrayList<>();
        measured.forEach((delay, samples) -> rows.addAll(samples.rows(label(delay))));
        return new BenchReport("reissue", rows, NOTES);
    }

    private static String label(long delayMillis) {
        return delayMillis + " ms a request";
    }

    private Samples measure(long delayMillis)
            throws VmckptException, IOException, InterruptedException {
        Samples samples = new Samples();
        try (BenchFolder folder = BenchFolder.create();
                SlowVolume volume = SlowVolume.start(folder.path(), VOLUME_BYTES);
                TestGuest guest = guest(volume);
                Contender reissue =
                        new ReissueContender(
                                Samples.VMCKPT, guest.qmpSocket(), DiskIo.REISSUE, folder.path());
                Contender drain =
                        new ReissueContender(
                                DRAIN, guest.qmpSocket(), DiskIo.DRAIN, folder.path())) {
            GuestConsole console = guest.console();
            console.awaitTick(it -> it.counter() > WARM_TICKS, "a guest that is warm", SOON);
            volume.delay(delayMillis);
            for (int round = 0; round <= rounds; round++) {
                List<Contender> contenders =
                        round % UNDISTURBED_EVERY == 0
                                ? List.of(reissue, drain, new Undisturbed())
                                : List.of(reissue, drain);
                for (Contender contender : contenders) {
                    Turn turn = Turn.take(contender, guest);
                    log.println(turn.describe(label(delayMillis), round, rounds));
                    if (round > 0) {
                        turn.addTo(samples);
                    }
                }
            }
            volume.delay(0);
            GuestKind.requireSound(guest.console(), "on a volume of " + label(delayMillis));
        }
        return samples;
    }

    private static TestGuest guest(SlowVolume volume) {
        TestGuest guest =
                TestGuest.builder()
                        .memory(MEMORY_BYTES)
                        .extraArguments(volume.disk())
                        .workload(
                                Workload.idle(REGION_BYTES)
                                        .filled()
                                        .memory(MEMORY_RATE)
                                        .disk(Rate.FLAT_OUT)
                                        .stall(REGION_BYTES, TOUCHES))
                        .start();
        guest.awaitBoot();
        return guest;
    }

    /** One contender in one round. */
    private record Turn(
            String contender, Measurement measurement, double requestMillis, double stallMillis) {
        static Turn take(Contender contender, TestGuest guest)
                throws VmckptException, IOException, InterruptedException {
            GuestConsole console = guest.console();
            ConsoleLine.Tick before = console.latestTick().orElseThrow();
            StallWatch stalls = StallWatch.start(console);
            Measurement measurement = contender.measure();
            double stall = Stalls.worstOf(stalls.awaitReports()).longestMillis();
            // The report after the next holds the requests that were pending at the end.
            long last = console.latestTick().orElseThrow().counter();
            console.awaitTick(last + 1, SOON);
            double request =
                    console.lines(ConsoleLine.Tick.class).stream()
                                    .filter(tick -> tick.counter() > before.counter())
                                    .mapToLong(ConsoleLine.Tick::diskMaxMicros)
                                    .max()
                                    .orElseThrow()
                            / 1000.0;
            return new Turn(contender.name(), measurement, request, stall);
        }

        void addTo(Samples samples) {
            measurement.pause().ifPresent(millis -> add(samples, PAUSE, millis));
            add(samples, "guest's longest disk request", requestMillis);
            add(samples, "guest's longest stall", stallMillis);
            measurement.durable().ifPresent(millis -> add(samples, "time to durable", millis));
        }

        private void add(Samples samples, String quantity, double millis) {
            samples.add(quantity, "ms", contender, millis);
        }

        String describe(String label, int round, int rounds) {
            return String.format(
                    Locale.ROOT,
                    "%s, round %d/%d: %-16s pause %.2f, longest request %.1f, stall %.2f, durable"
                            + " %.0f ms; %s",
                    label,
                    round,
                    rounds,
                    contender,
                    measurement.pause().orElse(0),
                    requestMillis,
                    stallMillis,
                    measurement.durable().orElse(0),
                    measurement.detail());
        }
    }
}
