package org.vmckpt.testvm;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The memory of a process, measured once a second until it ends or this is closed. */
final class MemoryTrend implements AutoCloseable {
    /** Without the guest's memory, which may be mapped. */
    private static final Pattern RESIDENT = Pattern.compile("RssAnon:\\s+(\\d+) kB");

    private static final long INTERVAL_MILLIS = 1000;
    private static final int MOST_SHOWN = 30;

    private final Path status;
    private final Thread sampler;

    /** Guarded by this. */
    private final List<Long> samplesKib = new ArrayList<>();

    private MemoryTrend(long pid) {
        this.status = Path.of("/proc", Long.toString(pid), "status");
        this.sampler = Thread.ofPlatform().name("memory-trend").daemon().unstarted(this::sample);
    }

    static MemoryTrend of(Process process) {
        MemoryTrend trend = new MemoryTrend(process.pid());
        trend.sampler.start();
        return trend;
    }

    private void sample() {
        try {
            while (true) {
                Matcher resident =
                        RESIDENT.matcher(Files.readString(status, StandardCharsets.US_ASCII));
                if (!resident.find()) {
                    return;
                }
                synchronized (this) {
                    samplesKib.add(Long.parseLong(resident.group(1)));
                }
                Thread.sleep(INTERVAL_MILLIS);
            }
        } catch (IOException | InterruptedException e) {
            // The process has ended, or nobody asks any more.
        }
    }

    /** How many times as much it needs in the last third of its life as in the middle third. */
    synchronized double growth() {
        int third = samplesKib.size() / 3;
        return (double) median(samplesKib.subList(2 * third, samplesKib.size()))
                / median(samplesKib.subList(third, 2 * third));
    }

    private static long median(List<Long> values) {
        return values.stream().sorted().toList().get(values.size() / 2);
    }

    /** In MiB, evenly thinned out. */
    synchronized List<Long> shown() {
        int step = Math.ceilDiv(samplesKib.size(), MOST_SHOWN);
        List<Long> shown = new ArrayList<>();
        for (int i = 0; i < samplesKib.size(); i += step) {
            shown.add(samplesKib.get(i) >> 10);
        }
        return shown;
    }

    @Override
    public void close() {
        sampler.interrupt();
        try {
            sampler.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
