package org.vmckpt.cow.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.disk.Extent.Kind;

/** Reads images that qemu-img and qemu-io made; needs package qemu-utils. */
class Qcow2ReaderIT {
    private static final int SECTOR_BYTES = 512;

    @TempDir Path folder;

    @ParameterizedTest
    @CsvSource({"0.10,512", "0.10,65536", "1.1,512", "1.1,4096", "1.1,65536", "1.1,2M"})
    void readsWhatQemuWrote(String compat, String clusterSize) throws Exception {
        Path image = folder.resolve("disk.qcow2");
        Tools.createImage(image, "qcow2", "40M", "compat=" + compat, "cluster_size=" + clusterSize);
        Tools.io(image, "qcow2", randomWrites(compat, 40 << 20, 11));
        assertReadsLikeQemu(List.of(image), List.of("qcow2"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"zlib", "zstd"})
    void readsCompressedClusters(String compression) throws Exception {
        Path raw = folder.resolve("disk.raw");
        byte[] content = new byte[3 << 20];
        Random random = new Random(5);
        for (int i = 0; i < content.length; i++) {
            content[i] = (byte) (random.nextInt(4) == 0 ? random.nextInt() : i >> 9);
        }
        Files.write(raw, content);
        Path image = folder.resolve("disk.qcow2");
        Tools.run(
                "qemu-img",
                "convert",
                "-c",
                "-O",
                "qcow2",
                "-o",
                "compression_type=" + compression,
                raw.toString(),
                image.toString());
        assertReadsLikeQemu(List.of(image), List.of("qcow2"));
    }

    @Test
    void readsChainsOfDifferentClusterAndDiskSizes() throws Exception {
        Path raw = folder.resolve("disk.raw");
        Path middle = folder.resolve("middle.qcow2");
        Path top = folder.resolve("top.qcow2");
        Tools.createImage(raw, "raw", "9M");
        Tools.io(raw, "raw", randomWrites("0.10", 9 << 20, 1));
        Tools.createOver(middle, raw, "raw", "cluster_size=4096", "size=5243392");
        Tools.io(middle, "qcow2", randomWrites("1.1", 5 << 20, 2));
        Tools.createOver(top, middle, "qcow2", "cluster_size=1M", "size=12M");
        Tools.io(top, "qcow2", randomWrites("1.1", 12 << 20, 3));
        assertReadsLikeQemu(List.of(raw, middle, top), List.of("raw", "qcow2", "qcow2"));
    }

    @Test
    void zeroClustersAreNotAbsent() throws Exception {
        Path image = folder.resolve("disk.qcow2");
        Tools.createImage(image, "qcow2", "1M");
        Tools.io(image, "qcow2", "write -P 1 64k 64k", "write -z 128k 64k");
        try (FrozenFileReader reader = FrozenFileReader.open(image, "qcow2")) {
            assertThat(extents(reader))
                    .containsExactly(
                            new Extent(Kind.ABSENT, 0, 64 << 10),
                            new Extent(Kind.DATA, 64 << 10, 64 << 10),
                            new Extent(Kind.ZERO, 128 << 10, 64 << 10),
                            new Extent(Kind.ABSENT, 192 << 10, 832 << 10));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "extended_l2=on,subclusters",
        "'data_file=ext.raw,data_file_raw=on',external data file"
    })
    void featuresThatAreNotReadAreRefusedByName(String options, String name) {
        Path image = folder.resolve("disk.qcow2");
        Tools.createImage(
                image, "qcow2", "1M", options.replace("data_file=", "data_file=" + folder + "/"));
        assertThatThrownBy(() -> FrozenFileReader.open(image, "qcow2"))
                .isInstanceOf(UnsupportedException.class)
                .hasMessageContaining(name)
                .hasMessageContaining(image.toString());
    }

    @Test
    void flippedMetadataIsCorruptOrHarmlessAndNeverACrash() throws Exception {
        Path image = folder.resolve("disk.qcow2");
        Tools.createImage(image, "qcow2", "8M", "cluster_size=4096");
        Tools.io(image, "qcow2", "write -P 3 0 1M", "write -z 1M 1M", "write -P 4 5M 3000");
        long seed = new Random().nextLong();
        Random random = new Random(seed);
        byte[] sound = Files.readAllBytes(image);
        int corrupt = 0;
        for (int round = 0; round < 500; round++) {
            byte[] bytes = sound.clone();
            // The header, and the table clusters that follow it.
            int at = random.nextInt(round % 2 == 0 ? 112 : Math.min(bytes.length, 64 << 10));
            bytes[at] ^= (byte) (1 << random.nextInt(8));
            Files.write(image, bytes);
            corrupt += readAll(image, "seed " + seed + ", byte " + at) ? 0 : 1;
        }
        assertThat(corrupt).isPositive();
    }

    @Test
    void truncatedImagesAreCorruptOrReadAsZerosAndNeverACrash() throws Exception {
        Path image = folder.resolve("disk.qcow2");
        Tools.createImage(image, "qcow2", "8M", "cluster_size=4096");
        Tools.io(image, "qcow2", "write -P 3 0 1M", "write -P 4 5M 3000");
        for (long size = Files.size(image); size >= 0; size -= 3001) {
            try (FileChannel file = FileChannel.open(image, StandardOpenOption.WRITE)) {
                file.truncate(size);
            }
            readAll(image, "size " + size);
        }
        assertThatThrownBy(() -> FrozenFileReader.open(image, "qcow2"))
                .isInstanceOf(CorruptException.class);
    }

    /** Returns false if the image was refused. */
    private static boolean readAll(Path image, String what) {
        try (FrozenFileReader reader = FrozenFileReader.open(image, "qcow2")) {
            if (reader.virtualSizeBytes() > 64 << 20) {
                return true;
            }
            for (Extent extent : extents(reader)) {
                if (extent.kind() == Kind.DATA) {
                    reader.read(
                            extent.offsetBytes(),
                            ByteBuffer.allocate((int) Math.min(extent.lengthBytes(), 4 << 20)));
                }
            }
            return true;
        } catch (CorruptException | UnsupportedException e) {
            return false;
        } catch (VmckptException | RuntimeException e) {
            throw new AssertionError(what, e);
        }
    }

    private static List<Extent> extents(FrozenFileReader reader) throws VmckptException {
        List<Extent> extents = new ArrayList<>();
        for (long offset = 0; offset < reader.virtualSizeBytes(); ) {
            Extent extent = reader.extentAt(offset, reader.virtualSizeBytes());
            extents.add(extent);
            offset = extent.endBytes();
        }
        return extents;
    }

    private void assertReadsLikeQemu(List<Path> images, List<String> formats)
            throws VmckptException, IOException {
        List<DiskLayer> layers = new ArrayList<>();
        for (int i = 0; i < images.size(); i++) {
            Path image = images.get(i);
            layers.add(new DiskLayer("n" + i, "f" + i, formats.get(i), image, image, 0));
        }
        Path read = folder.resolve("read.raw");
        try (FrozenChain chain = FrozenChain.open(layers);
                FileChannel out =
                        FileChannel.open(
                                read, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            int top = images.size() - 1;
            // An odd step, so that reads start and end inside clusters.
            int step = 37 * SECTOR_BYTES;
            for (long at = 0; at < chain.virtualSizeBytes(top); at += step) {
                long count = Math.min(step, chain.virtualSizeBytes(top) - at);
                ByteBuffer buffer = ByteBuffer.allocate((int) count);
                chain.read(top, at, buffer);
                out.write(buffer.flip(), at);
            }
        }
        Tools.assertEqual(images.getLast(), formats.getLast(), read, "raw");
    }

    /** Writes, and where the format has them zero clusters and discards, anywhere. */
    private static String[] randomWrites(String compat, int size, int seed) {
        Random random = new Random(seed);
        String[] commands = new String[40];
        for (int i = 0; i < commands.length; i++) {
            int length = (1 + random.nextInt(400)) * SECTOR_BYTES;
            int at = random.nextInt((size - length) / SECTOR_BYTES) * SECTOR_BYTES;
            String range = at + " " + length;
            commands[i] =
                    switch (random.nextInt(5)) {
                        case 0 -> compat.equals("1.1") ? "write -z " + range : "read " + range;
                        case 1 -> "discard " + range;
                        default -> "write -P " + (1 + random.nextInt(255)) + " " + range;
                    };
        }
        return commands;
    }
}
