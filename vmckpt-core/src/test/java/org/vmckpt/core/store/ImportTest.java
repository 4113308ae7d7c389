package org.vmckpt.core.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.github.luben.zstd.ZstdInputStream;
import com.github.luben.zstd.ZstdOutputStream;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.SequenceInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

/** An import takes a whole, sound export, and leaves nothing of anything else. */
class ImportTest {
    @TempDir private Path folder;
    private Store target;
    private Manifest manifest;
    private byte[] export;

    /** One file of an archive; never compared. */
    @SuppressWarnings("ArrayRecordComponent")
    private record File(String name, byte type, byte[] content) {}

    @BeforeEach
    void exportACheckpoint() throws Exception {
        try (Store source = Store.openOrCreate(folder.resolve("source"))) {
            manifest = Fixture.checkpoint(source, 1);
            ByteArrayOutputStream stream = new ByteArrayOutputStream();
            source.exportTo(manifest, stream, ProgressListener.none());
            export = stream.toByteArray();
        }
        target = Store.openOrCreate(folder.resolve("target"));
    }

    @AfterEach
    void closeStore() {
        target.close();
    }

    @Test
    void aRepackedExportIsStillFine() throws Exception {
        assertThat(importOf(pack(files()))).isEqualTo(manifest);
    }

    @Test
    void aStreamThatEndsEarlyLeavesNothing() throws Exception {
        for (int length = 0; length < export.length; length += 1 + length / 40) {
            byte[] cut = Arrays.copyOf(export, length);
            assertThatThrownBy(() -> importOf(cut))
                    .as("cut to " + length)
                    .isInstanceOf(CorruptException.class)
                    .hasMessageContaining("import");
        }
        byte[] cut = Arrays.copyOf(export, export.length - 1);
        assertThatThrownBy(() -> importOf(cut)).isInstanceOf(CorruptException.class);
        assertNothingImported();
    }

    @Test
    void aFlippedBitInTheStreamLeavesNothingOrChangesNothing() throws Exception {
        int refused = 0;
        int flips = 0;
        for (int at = 0; at < export.length; at += 1 + at / 40) {
            byte[] flipped = export.clone();
            flipped[at] ^= (byte) (1 << (at % 8));
            flips++;
            try {
                // A reserved bit of zstd's own header means nothing, so it may be any.
                assertThat(importOf(flipped)).isEqualTo(manifest);
                assertThat(target.verify(manifest, ProgressListener.none()).intact()).isTrue();
                target.remove(manifest.id());
            } catch (VmckptException e) {
                assertThat(e.getMessage()).isNotBlank();
                refused++;
            }
        }
        assertThat(refused).isGreaterThanOrEqualTo(flips - 2);
        assertNothingImported();
    }

    @Test
    void aFlippedBitBehindTheStreamsChecksumIsFoundByTheSegments() throws Exception {
        List<File> files = files();
        File segment = files.get(2);
        segment.content()[SegmentFormat.HEADER_BYTES + 10] ^= 4;
        assertThatThrownBy(() -> importOf(pack(files)))
                .isInstanceOf(CorruptException.class)
                .hasMessageContaining("block 0:");
        assertNothingImported();
    }

    @Test
    void namesThatLeaveTheStoreAreRefused() throws Exception {
        String name = files().get(2).name();
        for (String bad :
                List.of(
                        "../" + name,
                        "/" + name,
                        "segments/../../escape.seg",
                        "segments/../" + name,
                        "./" + name,
                        "checkpoints/../../x.json",
                        "tmp/x",
                        "")) {
            List<File> files = files();
            File old = files.get(2);
            files.set(2, new File(bad, old.type(), old.content()));
            assertThatThrownBy(() -> importOf(pack(files)))
                    .as(bad)
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContaining("nothing was imported");
        }
        assertNothingImported();
        try (Stream<Path> left = Files.list(folder)) {
            assertThat(left).hasSize(2);
        }
    }

    @Test
    void linksFoldersAndDevicesAreRefused() throws Exception {
        for (byte type :
                new byte[] {
                    TarConstants.LF_SYMLINK,
                    TarConstants.LF_LINK,
                    TarConstants.LF_DIR,
                    TarConstants.LF_CHR,
                    TarConstants.LF_FIFO
                }) {
            List<File> files = files();
            files.set(2, new File(files.get(2).name(), type, new byte[0]));
            assertThatThrownBy(() -> importOf(pack(files)))
                    .as("type " + (char) type)
                    .isInstanceOf(RefusedException.class);
        }
        assertNothingImported();
    }

    @Test
    void duplicateForeignMissingAndMisplacedEntriesAreRefused() throws Exception {
        List<File> twice = files();
        twice.add(twice.get(2));
        assertThatThrownBy(() -> importOf(pack(twice)))
                .isInstanceOf(RefusedException.class)
                .hasMessageContaining("second time");
        List<File> foreign = files();
        foreign.add(file("segments/memory-" + "0".repeat(64) + ".seg", "x"));
        assertThatThrownBy(() -> importOf(pack(foreign))).isInstanceOf(RefusedException.class);
        List<File> manifestTwice = files();
        manifestTwice.add(manifestTwice.get(1));
        assertThatThrownBy(() -> importOf(pack(manifestTwice)))
                .isInstanceOf(RefusedException.class);
        List<File> missing = files();
        missing.removeLast();
        assertThatThrownBy(() -> importOf(pack(missing)))
                .isInstanceOf(CorruptException.class)
                .hasMessageContaining("missing");
        List<File> unordered = files();
        unordered.add(unordered.remove(1));
        assertThatThrownBy(() -> importOf(pack(unordered))).isInstanceOf(RefusedException.class);
        assertNothingImported();
    }

    @Test
    void oversizedEntriesAreRefusedBeforeTheyAreRead() throws Exception {
        for (int index : new int[] {0, 1, 2}) {
            List<File> files = files();
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            try (TarArchiveOutputStream tar = tar(new ZstdOutputStream(out))) {
                for (int i = 0; i < index; i++) {
                    put(tar, files.get(i));
                }
                TarArchiveEntry entry = new TarArchiveEntry(files.get(index).name());
                entry.setSize(1L << 50);
                tar.putArchiveEntry(entry);
                tar.write(files.get(index).content());
                tar.flush();
            } catch (IOException e) {
                assertThat(e).as("the archive is incomplete on purpose").isNotNull();
            }
            assertThatThrownBy(() -> importOf(out.toByteArray()))
                    .isInstanceOf(VmckptException.class)
                    .hasMessageContaining(String.valueOf(1L << 50));
        }
        assertNothingImported();
    }

    @Test
    void hugeHeadersAreNotReadToMemory() throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (ZstdOutputStream zstd = new ZstdOutputStream(out)) {
            TarArchiveEntry entry =
                    new TarArchiveEntry("././@LongLink", TarConstants.LF_GNUTYPE_LONGNAME);
            entry.setSize(1L << 31);
            byte[] header = new byte[512];
            entry.writeEntryHeader(header);
            zstd.write(header);
            byte[] letters = new byte[1 << 20];
            Arrays.fill(letters, (byte) 'a');
            for (int i = 0; i < 64; i++) {
                zstd.write(letters);
            }
        }
        assertThatThrownBy(() -> importOf(out.toByteArray()))
                .isInstanceOf(CorruptException.class)
                .hasMessageContaining("header");
        assertNothingImported();
    }

    @Test
    void somethingElseIsNoExport() throws Exception {
        assertThatThrownBy(() -> importOf("hello".getBytes(StandardCharsets.UTF_8)))
                .isInstanceOf(CorruptException.class);
        assertThatThrownBy(() -> importOf(pack(List.of(file("notes.txt", "x")))))
                .isInstanceOf(CorruptException.class)
                .hasMessageContaining("vmckpt export");
        List<File> future = files();
        future.set(0, file("vmckpt-export.json", "{\"format\":\"vmckpt-export\",\"version\":2}"));
        assertThatThrownBy(() -> importOf(pack(future))).isInstanceOf(UnsupportedException.class);
        byte[] trailing = Arrays.copyOf(export, export.length + 5);
        assertThatThrownBy(() -> importOf(trailing)).isInstanceOf(CorruptException.class);
        assertNothingImported();
    }

    @Test
    void aFutureManifestIsUnsupported() throws Exception {
        List<File> files = files();
        File old = files.get(1);
        String text = new String(old.content(), StandardCharsets.UTF_8);
        files.set(1, file(old.name(), text.replace("\"version\":1", "\"version\":7")));
        assertThatThrownBy(() -> importOf(pack(files)))
                .isInstanceOf(UnsupportedException.class)
                .hasMessageContaining("7");
        assertNothingImported();
    }

    @Test
    void aDifferentCheckpointOfTheSameIdIsAConflict() throws Exception {
        importOf(export);
        List<File> files = files();
        Manifest other =
                new Manifest(
                        manifest.id(),
                        manifest.name(),
                        manifest.createdAt(),
                        "other",
                        manifest.guest(),
                        manifest.devices(),
                        manifest.memory(),
                        manifest.disks(),
                        manifest.statistics());
        byte[] bytes = ManifestCodec.encode(other);
        files.set(1, new File(files.get(1).name(), TarConstants.LF_NORMAL, bytes));
        assertThatThrownBy(() -> importOf(pack(files))).isInstanceOf(ConflictException.class);
        assertThat(target.list()).containsExactly(manifest);
    }

    @Test
    void importingAgainHealsADamagedStore() throws Exception {
        importOf(export);
        Path segment = Fixture.segmentFile(target, manifest.devices().segment());
        Files.write(segment, new byte[100]);
        Files.writeString(
                target.directory().resolve("checkpoints/" + manifest.id() + ".json"), "broken");
        assertThat(target.list()).isEmpty();
        importOf(export);
        assertThat(target.list()).containsExactly(manifest);
        assertThat(target.verify(manifest, ProgressListener.none()).problems()).isEmpty();
    }

    @Test
    void aStreamThatBreaksIsATransportError() throws Exception {
        InputStream broken =
                new InputStream() {
                    @Override
                    public int read() throws IOException {
                        throw new IOException("connection reset");
                    }

                    @Override
                    public int read(byte[] bytes, int offset, int length) throws IOException {
                        throw new IOException("connection reset");
                    }
                };
        byte[] half = Arrays.copyOf(export, export.length / 2);
        InputStream breaking = new SequenceInputStream(new ByteArrayInputStream(half), broken);
        assertThatThrownBy(() -> target.importFrom(breaking, ProgressListener.none()))
                .isInstanceOf(TransportException.class)
                .hasMessageContaining("connection reset");
        assertNothingImported();
    }

    @Test
    void anExportOfADamagedSegmentStops() throws Exception {
        importOf(export);
        Path segment =
                Fixture.segmentFile(target, manifest.memory().getFirst().layers().getFirst());
        byte[] bytes = Files.readAllBytes(segment);
        bytes[SegmentFormat.HEADER_BYTES + 1] ^= 1;
        Files.write(segment, bytes);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        assertThatThrownBy(() -> target.exportTo(manifest, out, ProgressListener.none()))
                .isInstanceOf(CorruptException.class)
                .hasMessageContaining("block 0:");
        VerifyReport report = target.verify(manifest, ProgressListener.none());
        assertThat(report.intact()).isFalse();
        assertThat(report.problems()).singleElement().asString().contains("block 0:");
        Files.delete(folder.resolve("target/vmckpt-store.json"));
        target.close();
        target = Store.openOrCreate(folder.resolve("fresh"));
        assertThatThrownBy(() -> importOf(out.toByteArray())).isInstanceOf(CorruptException.class);
        assertNothingImported();
    }

    private Manifest importOf(byte[] stream) throws VmckptException {
        return target.importFrom(new ByteArrayInputStream(stream), ProgressListener.none());
    }

    private void assertNothingImported() throws Exception {
        assertThat(target.list()).isEmpty();
        assertThat(target.unreadable()).isEmpty();
        assertThat(target.directory().resolve("segments")).isEmptyDirectory();
        target.close();
        assertThat(target.directory().resolve("tmp")).isEmptyDirectory();
    }

    private static File file(String name, String content) {
        return new File(name, TarConstants.LF_NORMAL, content.getBytes(StandardCharsets.UTF_8));
    }

    /** Marker, manifest and two segments. */
    private List<File> files() throws IOException {
        List<File> files = new ArrayList<>();
        try (TarArchiveInputStream tar =
                new TarArchiveInputStream(new ZstdInputStream(new ByteArrayInputStream(export)))) {
            TarArchiveEntry entry;
            while ((entry = tar.getNextEntry()) != null) {
                files.add(new File(entry.getName(), TarConstants.LF_NORMAL, tar.readAllBytes()));
            }
        }
        assertThat(files).hasSize(4);
        return files;
    }

    private static byte[] pack(List<File> files) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (TarArchiveOutputStream tar = tar(new ZstdOutputStream(out))) {
            for (File file : files) {
                put(tar, file);
            }
        }
        return out.toByteArray();
    }

    private static TarArchiveOutputStream tar(OutputStream out) {
        TarArchiveOutputStream tar = new TarArchiveOutputStream(out);
        tar.setBigNumberMode(TarArchiveOutputStream.BIGNUMBER_POSIX);
        tar.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
        return tar;
    }

    private static void put(TarArchiveOutputStream tar, File file) throws IOException {
        TarArchiveEntry entry = new TarArchiveEntry(file.name(), file.type(), true);
        if (file.type() == TarConstants.LF_SYMLINK || file.type() == TarConstants.LF_LINK) {
            entry.setLinkName("/etc/passwd");
        }
        entry.setSize(file.content().length);
        tar.putArchiveEntry(entry);
        tar.write(file.content());
        tar.closeArchiveEntry();
    }
}
