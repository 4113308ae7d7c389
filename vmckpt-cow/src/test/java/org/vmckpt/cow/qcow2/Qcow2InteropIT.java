package org.vmckpt.cow.qcow2;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.BlockDevice;
import org.vmckpt.cow.block.PlainFile;
import org.vmckpt.cow.disk.Tools;

/** Images that QEMU's tools made are used by us, and the other way round; needs qemu-utils. */
class Qcow2InteropIT {
    private static final int MIB = 1 << 20;
    private static final int ROUNDS = 2;
    private static final int SIZE = 24 * MIB + 7 * 512;

    @TempDir Path folder;

    @ParameterizedTest
    @CsvSource({
        "'compat=1.1,cluster_size=4k'",
        "'compat=1.1,cluster_size=64k'",
        "'compat=1.1,cluster_size=2M'",
        "'compat=0.10,cluster_size=512'",
        "'compat=0.10,cluster_size=16k'",
        "'compat=1.1,lazy_refcounts=on'",
        "'compat=1.1,preallocation=metadata'",
        "'compat=1.1,preallocation=falloc,cluster_size=32k'",
        "'compat=1.1,preallocation=full,cluster_size=1M'",
        "'compat=1.1,compression_type=zstd'"
    })
    void imagesThatQemuMadeAreWrittenOn(String options) throws Exception {
        Path image = folder.resolve("disk.qcow2");
        Path raw = folder.resolve("disk.raw");
        Tools.createImage(image, "qcow2", "" + SIZE, options);
        Tools.createImage(raw, "raw", "" + SIZE);
        Random random = new Random(options.hashCode());
        for (int round = 0; round < ROUNDS; round++) {
            String[] writes = qemuWrites(random);
            Tools.io(image, "qcow2", writes);
            Tools.io(raw, "raw", writes);
            writeBoth(image, raw, random);
            Tools.assertSound(image);
            Tools.assertEqual(image, "qcow2", raw, "raw");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"zlib", "zstd"})
    void compressedImagesAreWrittenOn(String type) throws Exception {
        Path raw = folder.resolve("disk.raw");
        Path image = folder.resolve("disk.qcow2");
        byte[] content = new byte[SIZE];
        Random random = new Random(3);
        for (int i = 0; i < content.length; i++) {
            content[i] = (byte) (random.nextInt(4) == 0 ? random.nextInt() : i >> 9);
        }
        Files.write(raw, content);
        Tools.run(
                "qemu-img",
                "convert",
                "-c",
                "-O",
                "qcow2",
                "-o",
                "compression_type=" + type,
                raw.toString(),
                image.toString());
        for (int round = 0; round < ROUNDS; round++) {
            writeBoth(image, raw, random);
            Tools.assertSound(image);
            Tools.assertEqual(image, "qcow2", raw, "raw");
        }
    }

    @ParameterizedTest
    @CsvSource({"2,12,false", "3,12,true", "3,16,false", "2,21,false", "3,21,true"})
    void ourImagesAreQemus(int version, int clusterBits, boolean lazy) throws Exception {
        Path image = folder.resolve("disk.qcow2");
        Path raw = folder.resolve("disk.raw");
        create(image, new NewImage(SIZE, version, clusterBits, lazy, Optional.empty()));
        assertThat(Tools.run("qemu-img", "info", image.toString()))
                .contains(version == 2 ? "compat: 0.10" : "compat: 1.1")
                .contains(lazy ? "lazy refcounts: true" : "file format: qcow2")
                .contains("cluster_size: " + (1 << clusterBits));
        Tools.createImage(raw, "raw", "" + SIZE);
        Random random = new Random(version * 100 + clusterBits);
        for (int round = 0; round < ROUNDS; round++) {
            writeBoth(image, raw, random);
            Tools.assertSound(image);
            String[] writes = qemuWrites(random);
            Tools.io(image, "qcow2", writes);
            Tools.io(raw, "raw", writes);
            Tools.assertEqual(image, "qcow2", raw, "raw");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"raw", "qcow2"})
    void chainsAreReadAndWrittenAsQemuDoes(String baseFormat) throws Exception {
        Path base = folder.resolve("base");
        Path middle = folder.resolve("middle.qcow2");
        Path top = folder.resolve("top.qcow2");
        Path raw = folder.resolve("disk.raw");
        Random random = new Random(5);
        Tools.createImage(base, baseFormat, "9M");
        Tools.io(base, baseFormat, "write -P 9 0 9M", "write -P 8 1M 3M");
        Tools.createOver(middle, base, baseFormat, "cluster_size=4096", "size=" + 20 * MIB);
        Tools.io(middle, "qcow2", "write -P 7 2M 1M", "write -z 3M 1M", "write -P 6 15M 10k");
        create(
                top,
                NewImage.of(SIZE, Optional.of(new NewImage.BackingName("middle.qcow2", "qcow2"))));
        Tools.run("qemu-img", "convert", "-O", "raw", top.toString(), raw.toString());
        for (int round = 0; round < ROUNDS; round++) {
            writeBoth(top, raw, random);
            Tools.assertSound(top);
            Tools.assertEqual(top, "qcow2", raw, "raw");
        }
    }

    @Test
    void dirtyImagesAreRepaired() throws Exception {
        Path image = folder.resolve("disk.qcow2");
        Tools.createImage(image, "qcow2", "64M", "lazy_refcounts=on", "cluster_size=4096");
        // A killed QEMU leaves the mark, and refcounts that it did not write.
        Process killed =
                new ProcessBuilder(
                                "qemu-io",
                                "-f",
                                "qcow2",
                                "-c",
                                "write -P 5 1M 20M",
                                "-c",
                                "flush",
                                "-c",
                                "abort",
                                image.toString())
                        .redirectErrorStream(true)
                        .start();
        killed.getInputStream().readAllBytes();
        killed.waitFor();
        assertThat(Tools.run("qemu-img", "info", "-U", image.toString())).contains("64 MiB");
        assertThat(header(image).dirty()).isTrue();
        try (BlockDevice disk =
                ImageChain.open(image, "qcow2", true, ImageChain.FileOpener.PLAIN)) {
            ByteBuffer read = ByteBuffer.allocate(MIB);
            disk.read(read, 5 * MIB);
            assertThat(read.array()).containsOnly(5);
        }
        assertThat(header(image).dirty()).isFalse();
        Tools.assertSound(image);
        Tools.io(image, "qcow2", "read -P 5 1M 20M", "read -P 0 21M 43M");
    }

    @ParameterizedTest
    @CsvSource({"4k, 5M, 700M", "64k, 1M, 3G", "64k, 1000448, 2000896", "512, 1M, 300M"})
    void disksGrow(String clusterSize, String from, String to) throws Exception {
        Path base = folder.resolve("base.raw");
        Tools.createImage(base, "raw", "3M");
        Tools.io(base, "raw", "write -P 9 0 3M");
        Path image = folder.resolve("disk.qcow2");
        Tools.createOver(image, base, "raw", "cluster_size=" + clusterSize, "size=" + from);
        long bytes = bytesOf(to);
        try (Qcow2Image disk = openForWriting(image)) {
            disk.resize(bytes);
            disk.write(filled(4096, 3), bytes - 4096);
        }
        Tools.assertSound(image);
        long old = Math.min(bytesOf(from), 3 * MIB);
        Tools.io(
                image,
                "qcow2",
                "read -P 9 0 " + old,
                "read -P 0 " + old + " " + Math.min(2 * MIB, bytes - 4096 - old),
                "read -P 3 " + (bytes - 4096) + " 4096");
    }

    @ParameterizedTest
    @ValueSource(strings = {"ours", "qemu's"})
    void backingFileIsRenamed(String maker) throws Exception {
        Path raw = folder.resolve("base.raw");
        Path other = folder.resolve("a base with a longer name.qcow2");
        Path image = folder.resolve("disk.qcow2");
        Tools.createImage(raw, "raw", "4M");
        Tools.io(raw, "raw", "write -P 9 0 4M");
        Tools.createImage(other, "qcow2", "4M");
        Tools.io(other, "qcow2", "write -P 9 0 4M");
        if (maker.equals("ours")) {
            create(
                    image,
                    NewImage.of(
                            4 * MIB, Optional.of(new NewImage.BackingName(raw.toString(), "raw"))));
        } else {
            Tools.createOver(image, raw, "raw");
        }
        for (int i = 0; i < 3; i++) {
            boolean toOther = i % 2 == 0;
            NewImage.BackingName name =
                    toOther
                            ? new NewImage.BackingName(other.getFileName().toString(), "qcow2")
                            : new NewImage.BackingName("base.raw", "raw");
            try (Qcow2Image disk = openForWriting(image)) {
                disk.setBacking(name, disk.backing());
                disk.write(filled(512, 5), (long) i * MIB);
            }
            assertThat(header(image).backingName()).hasValue(name.name());
            assertThat(header(image).backingFormat()).hasValue(name.format());
            Tools.assertSound(image);
            Tools.io(image, "qcow2", "read -P 5 " + i * MIB + " 512", "read -P 9 3M 1M");
        }
    }

    @Test
    void whatIsNotWrittenIsRefusedByName() throws Exception {
        Path image = folder.resolve("disk.qcow2");
        Tools.createImage(image, "qcow2", "1M", "refcount_bits=8");
        assertThatThrownBy(() -> openForWriting(image))
                .isInstanceOf(UnsupportedException.class)
                .hasMessageContaining("refcounts of 8 bits");
        Path snapshots = folder.resolve("snapshots.qcow2");
        Tools.createImage(snapshots, "qcow2", "1M");
        Tools.run("qemu-img", "snapshot", "-c", "one", snapshots.toString());
        assertThatThrownBy(() -> openForWriting(snapshots))
                .isInstanceOf(UnsupportedException.class)
                .hasMessageContaining("internal snapshots");
        Path bitmap = folder.resolve("bitmap.qcow2");
        Tools.createImage(bitmap, "qcow2", "1M");
        Tools.run("qemu-img", "bitmap", "--add", bitmap.toString(), "b");
        try (Qcow2Image disk = openForWriting(bitmap)) {
            disk.write(filled(4096, 3), 0);
        }
        assertThat(header(bitmap).autoclearFeatures()).isZero();
        Qcow2CrashIT.assertCleanOrLeaky(bitmap);
    }

    @Test
    void blockStatusIsThatOfQemu() throws Exception {
        Path base = folder.resolve("base.qcow2");
        Path image = folder.resolve("disk.qcow2");
        Tools.createImage(base, "qcow2", "4M");
        Tools.io(base, "qcow2", "write -P 1 1M 1M", "write -z 2M 64k");
        Tools.createOver(image, base, "qcow2");
        Tools.io(image, "qcow2", "write -P 1 1536k 1M", "write -z 3M 1M");
        StringBuilder found = new StringBuilder();
        try (Qcow2Image disk = openForWriting(image)) {
            disk.blockStatus(
                    0,
                    4 * MIB,
                    (at, length, status) ->
                            found.append(status).append(' ').append(length >> 10).append(' '));
        }
        assertThat(found).hasToString("HOLE 1024 DATA 1536 HOLE 512 ZERO 1024 ");
    }

    private void writeBoth(Path image, Path raw, Random random) throws Exception {
        try (BlockDevice disk = ImageChain.open(image, "qcow2", true, ImageChain.FileOpener.PLAIN);
                FileChannel expected = FileChannel.open(raw, StandardOpenOption.WRITE)) {
            for (int i = 0; i < 40; i++) {
                int most = random.nextInt(5) == 0 ? 4 * MIB : 200_000;
                int length = (1 + random.nextInt(most / 512)) * 512;
                long at = random.nextInt((SIZE - length) / 512) * 512L;
                if (random.nextInt(10) == 0) {
                    at = (long) SIZE - length;
                }
                int value = random.nextInt(3) == 0 ? 0 : 1 + random.nextInt(200);
                if (value == 0) {
                    disk.writeZeroes(at, length, random.nextBoolean());
                } else {
                    disk.write(filled(length, value), at);
                }
                expected.write(filled(length, value), at);
                if (random.nextInt(16) == 0) {
                    disk.flush();
                }
            }
        }
    }

    private static String[] qemuWrites(Random random) {
        String[] commands = new String[12];
        for (int i = 0; i < commands.length; i++) {
            int length = (1 + random.nextInt(600)) * 512;
            long at = random.nextInt((SIZE - length) / 512) * 512L;
            commands[i] =
                    "write -P " + (random.nextInt(4) == 0 ? 0 : i + 1) + " " + at + " " + length;
        }
        return commands;
    }

    private static ByteBuffer filled(int length, int value) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(length);
        while (buffer.hasRemaining()) {
            buffer.put((byte) value);
        }
        return buffer.flip();
    }

    private static Qcow2Image openForWriting(Path path) throws VmckptException {
        return (Qcow2Image) ImageChain.open(path, "qcow2", true, ImageChain.FileOpener.PLAIN);
    }

    private static Qcow2Header header(Path path) throws VmckptException {
        try (PlainFile file = PlainFile.openReadOnly(path)) {
            return Qcow2Header.read(file, path.toString());
        }
    }

    private static void create(Path path, NewImage image) throws Exception {
        try (PlainFile file = PlainFile.create(path)) {
            image.write(file);
        }
    }

    private static long bytesOf(String size) {
        long number = Long.parseLong(size.replaceAll("[MG]", ""));
        return size.endsWith("M") ? number << 20 : size.endsWith("G") ? number << 30 : number;
    }
}
