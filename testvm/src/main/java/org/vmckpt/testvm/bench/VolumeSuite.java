package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.volume.VolumeCreator;
import org.vmckpt.testvm.bench.NbdContender.Server;

/**
 * Serves one qcow2 file in turn by vmckpt and by qemu-nbd: what was written before, over and over;
 * and first writes to a new file on a chain of 1 and of 8, which copy a cluster each.
 */
final class VolumeSuite {
    static final long DISK_BYTES = 512L << 20;
    private static final int CLUSTER_BYTES = 64 << 10;
    private static final int SMALL = 4 << 10;
    private static final int LARGE = 1 << 20;
    private static final int[] CHAINS = {1, 8};

    // What must hold, of qemu-nbd's rate in the same run.
    private static final double LEAST_AT_DEPTH_32 = 0.9;
    private static final double LEAST_AT_DEPTH_1 = 0.7;
    private static final double FORK_MILLIS = 2;

    private static final List<FioJob> READS =
            List.of(
                    new FioJob("random read 4 KiB, depth 1", "randread", SMALL, 1, false),
                    new FioJob("random read 4 KiB, depth 32", "randread", SMALL, 32, false),
                    new FioJob("sequential read 1 MiB, depth 1", "read", LARGE, 1, false),
                    new FioJob("sequential read 1 MiB, depth 32", "read", LARGE, 32, false));
    private static final List<FioJob> WRITES =
            List.of(
                    new FioJob("random write 4 KiB, depth 1", "randwrite", SMALL, 1, false),
                    new FioJob("random write 4 KiB, depth 32", "randwrite", SMALL, 32, false),
                    new FioJob("sequential write 1 MiB, depth 1", "write", LARGE, 1, false),
                    new FioJob("sequential write 1 MiB, depth 32", "write", LARGE, 32, false));
    private static final List<FioJob> FIRST_WRITES =
            List.of(
                    new FioJob("first write 4 KiB, depth 1", "write", SMALL, 1, true),
                    new FioJob("first write 4 KiB, depth 32", "write", SMALL, 32, true));

    private final Path folder;
    private final int rounds;
    private final int seconds;
    private final int forks;
    private final PrintStream progress;
    private final Map<String, Map<NbdContender, List<Double>>> samples = new LinkedHashMap<>();

    VolumeSuite(Path folder, int rounds, int seconds, int forks, PrintStream progress) {
        this.folder = folder;
        this.rounds = rounds;
        this.seconds = seconds;
        this.forks = forks;
        this.progress = progress;
    }

    BenchReport run() throws IOException, InterruptedException, VmckptException {
        for (int chain : CHAINS) {
            if (rounds > 0 || chain == 1) {
                measure(makeChain(chain), chain);
            }
        }
        List<BenchRow> rows = rows();
        List<String> notes = new ArrayList<>(List.of("requests a second (1/s): more is better"));
        rows.forEach(row -> notes.add(verdict(row)));
        if (forks > 0) {
            Path forked = overlay(folder.resolve("chain1-1"), "forked");
            ForksUnderLoad load = new ForksUnderLoad(forked, folder.resolve("bench.sock"), forks);
            rows.addAll(load.run());
            double p99 = load.requestsWait().p99();
            notes.add(verdict("fork p99, ms", p99 < FORK_MILLIS, p99));
        }
        return new BenchReport("volume", rows, notes);
    }

    private void measure(Path volume, int chain)
            throws IOException, InterruptedException, VmckptException {
        for (int round = 0; round < rounds; round++) {
            for (NbdContender contender : inTurn(round)) {
                measure(contender, volume, chain, READS);
                if (chain == 1) {
                    measure(contender, volume, chain, WRITES);
                }
                for (FioJob job : FIRST_WRITES) {
                    Path fresh = overlay(volume, "fresh");
                    measure(contender, fresh, chain, List.of(job));
                    delete(fresh);
                }
            }
        }
    }

    /** Who comes first finds less of the files in the page cache. */
    private static List<NbdContender> inTurn(int round) {
        List<NbdContender> all = List.of(NbdContender.values());
        return round % 2 == 0 ? all : all.reversed();
    }

    private static String verdict(BenchRow row) {
        double peer = row.peers().getOrDefault(NbdContender.QEMU_NBD.title(), row.vmckpt()).p50();
        double ratio = row.vmckpt().p50() / peer;
        double wanted = row.name().contains("depth 32") ? LEAST_AT_DEPTH_32 : LEAST_AT_DEPTH_1;
        return verdict(row.name(), ratio >= wanted, ratio);
    }

    private static String verdict(String what, boolean met, double number) {
        return "%-6s %s: %.2f".formatted(met ? "met" : "MISSED", what, number);
    }

    /** The lowest file is full; each above it says something about an eighth of the disk. */
    private Path makeChain(int length) throws IOException, InterruptedException, VmckptException {
        Path top =
                VolumeCreator.create(
                                folder.resolve("chain%d-1".formatted(length)),
                                Optional.empty(),
                                Optional.empty(),
                                OptionalLong.of(DISK_BYTES),
                                CLUSTER_BYTES)
                        .path();
        fill(top, "write", DISK_BYTES);
        for (int i = 2; i <= length; i++) {
            top = overlay(top, "chain%d-%d".formatted(length, i));
            fill(top, "randwrite", DISK_BYTES / CHAINS[CHAINS.length - 1]);
        }
        return top;
    }

    private Path overlay(Path below, String name) throws VmckptException {
        return VolumeCreator.create(
                        folder.resolve(name),
                        Optional.of(below.resolve("layer-0.qcow2")),
                        Optional.of("qcow2"),
                        OptionalLong.empty(),
                        CLUSTER_BYTES)
                .path();
    }

    private void fill(Path volume, String pattern, long bytes)
            throws IOException, InterruptedException {
        Path socket = folder.resolve("fill.sock");
        try (Server _ = NbdContender.QEMU_NBD.serve(volume, socket)) {
            Process fio =
                    new ProcessBuilder(
                                    "fio",
                                    "--name=fill",
                                    "--ioengine=nbd",
                                    "--thread",
                                    "--uri=nbd+unix:///%s?socket=%s"
                                            .formatted(volume.getFileName(), socket),
                                    "--rw=" + pattern,
                                    "--bs=" + CLUSTER_BYTES,
                                    "--iodepth=16",
                                    "--io_size=" + bytes,
                                    "--end_fsync=1")
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .redirectErrorStream(true)
                            .start();
            if (fio.waitFor() != 0) {
                throw new IOException("fio could not fill " + volume);
            }
        }
    }

    private void measure(NbdContender contender, Path volume, int chain, List<FioJob> jobs)
            throws IOException, InterruptedException {
        Path socket = folder.resolve("bench.sock");
        try (Server _ = contender.serve(volume, socket)) {
            for (FioJob job : jobs) {
                warm();
                double rate = job.run(socket, String.valueOf(volume.getFileName()), seconds);
                String row = job.name() + ", chain " + chain;
                progress.printf("%-50s %-9s %9.0f/s%n", row, contender.title(), rate);
                samples.computeIfAbsent(row, _ -> new LinkedHashMap<>())
                        .computeIfAbsent(contender, _ -> new ArrayList<>())
                        .add(rate);
            }
        }
    }

    /** Some hosts page out what nobody has used for seconds; then it is their disk that counts. */
    private void warm() throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                try (InputStream in = Files.newInputStream(file)) {
                    in.transferTo(OutputStream.nullOutputStream());
                }
            }
        }
    }

    private static void delete(Path volume) throws IOException {
        List<Path> files;
        try (Stream<Path> listed = Files.list(volume)) {
            files = listed.toList();
        }
        for (Path file : files) {
            Files.delete(file);
        }
        Files.delete(volume);
    }

    private List<BenchRow> rows() {
        List<BenchRow> rows = new ArrayList<>();
        samples.forEach((name, rates) -> {
            Distribution ours = Distribution.of(rates.getOrDefault(NbdContender.VMCKPT, List.of()));
            Distribution theirs =
                    Distribution.of(rates.getOrDefault(NbdContender.QEMU_NBD, List.of()));
            rows.add(
                    new BenchRow(name, "1/s", ours, Map.of(NbdContender.QEMU_NBD.title(), theirs)));
        });
        return rows;
    }
}
