package org.vmckpt.core.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

class ManifestCodecTest {
    private static final CheckpointId ID = new CheckpointId("20260102T030405Z-0123456789abcdef");
    private static final Manifest MANIFEST =
            Fixture.manifest(
                    ID,
                    Optional.of("nightly"),
                    new SegmentName("device-" + "1".repeat(64)),
                    new SegmentName("memory-" + "2".repeat(64)));

    @Test
    void otherLayersLeaveWhatThisVersionDoesNotKnow() throws Exception {
        Manifest manifest =
                Fixture.manifest(
                        new SegmentName("device-" + "1".repeat(64)),
                        new SegmentName("memory-" + "2".repeat(64)));
        String text = new String(ManifestCodec.encode(manifest), StandardCharsets.UTF_8);
        String body = text.substring(text.indexOf('\n') + 1).strip();
        String later = body.replace("\"disks\":", "\"colour\":{\"of\":1.50},\"disks\":");
        byte[] bytes =
                (text.substring(0, text.indexOf('\n'))
                                        .replace(
                                                Sha256.hex(body.getBytes(StandardCharsets.UTF_8)),
                                                Sha256.hex(later.getBytes(StandardCharsets.UTF_8)))
                                + "\n"
                                + later
                                + "\n")
                        .getBytes(StandardCharsets.UTF_8);
        List<SegmentName> layers = List.of(new SegmentName("memory-" + "3".repeat(64)));
        byte[] replaced =
                ManifestCodec.withLayers(bytes, manifest.id(), any -> layers).orElseThrow();
        assertThat(new String(replaced, StandardCharsets.UTF_8))
                .contains("\"colour\":{\"of\":1.5}", "3".repeat(64))
                .doesNotContain("2".repeat(64));
        assertThat(ManifestCodec.decode(replaced, manifest.id()))
                .isEqualTo(manifest.withLayers(any -> layers));
        assertThat(ManifestCodec.withLayers(replaced, manifest.id(), same -> same)).isEmpty();
    }

    @Test
    void aSeriesIsKept() throws Exception {
        Manifest manifest =
                Fixture.manifest(
                                new SegmentName("device-" + "1".repeat(64)),
                                new SegmentName("memory-" + "2".repeat(64)))
                        .inSeries("watch");
        assertThat(ManifestCodec.decode(ManifestCodec.encode(manifest), manifest.id()))
                .isEqualTo(manifest);
    }

    @Test
    void goldenBytes() throws Exception {
        String body =
                "{\"id\":\"20260102T030405Z-0123456789abcdef\",\"name\":\"nightly\","
                        + "\"createdAt\":\"2026-01-02T03:04:05Z\",\"engine\":\"uffd\",\"guest\":{"
                        + "\"name\":\"guest\",\"uuid\":\"\",\"qemuVersion\":\"7.2.22\","
                        + "\"qemuPackage\":\"\",\"binary\":\"/usr/bin/qemu-system-x86_64\","
                        + "\"arguments\":[\"-m\",\"1\"],\"workingDirectory\":\"/\","
                        + "\"machineType\":\"pc-i440fx-7.2\",\"accelerator\":\"tcg\","
                        + "\"hostCpuFlags\":[],\"qmpPath\":\"/run/qmp.sock\",\"vcpuCount\":1,"
                        + "\"running\":true},\"devices\":{\"segment\":\"device-"
                        + "1".repeat(64)
                        + "\",\"sizeBytes\":100},\"memory\":[{\"id\":\"mem0\",\"sizeBytes\":4096,"
                        + "\"pageSizeBytes\":4096,\"layers\":[\"memory-"
                        + "2".repeat(64)
                        + "\"]}],\"disks\":[],\"statistics\":{\"pauseMicros\":1}}";
        String head =
                "{\"format\":\"vmckpt-manifest\",\"version\":1,\"sha256\":\""
                        + Sha256.hex(body.getBytes(StandardCharsets.UTF_8))
                        + "\"}";
        String file = head + "\n" + body + "\n";
        assertThat(new String(ManifestCodec.encode(MANIFEST), StandardCharsets.UTF_8))
                .isEqualTo(file);
        assertThat(ManifestCodec.decode(file.getBytes(StandardCharsets.UTF_8), ID))
                .isEqualTo(MANIFEST);
    }

    @Test
    void everyFlippedBitAndEveryTruncationIsFound() {
        byte[] sound = ManifestCodec.encode(MANIFEST);
        for (int at = 0; at < sound.length; at++) {
            byte[] flipped = sound.clone();
            flipped[at] ^= (byte) (1 << (at % 8));
            assertThatThrownBy(() -> ManifestCodec.decode(flipped, ID))
                    .as("flip in byte " + at)
                    .isInstanceOf(VmckptException.class)
                    .hasMessageContaining(ID.value());
            byte[] cut = Arrays.copyOf(sound, at);
            assertThatThrownBy(() -> ManifestCodec.decode(cut, ID))
                    .as("cut to " + at)
                    .isInstanceOf(CorruptException.class)
                    .hasMessageContaining(ID.value());
        }
    }

    @Test
    void nonsenseWithARightChecksumIsCorrupt() {
        for (String body :
                List.of(
                        "null",
                        "{}",
                        "[]",
                        "3",
                        "\"x\"",
                        body(MANIFEST).replace("\"mem0\"", "null"),
                        body(MANIFEST).replace("device-1", "../device-1"),
                        body(MANIFEST).replace("[\"-m\",\"1\"]", "null"),
                        body(MANIFEST).replace("4096", "\"many\""),
                        body(MANIFEST).replace(ID.value(), "20260102T030405Z-ffffffffffffffff"))) {
            byte[] bytes = file(1, body);
            assertThatThrownBy(() -> ManifestCodec.decode(bytes, ID))
                    .as(body)
                    .isInstanceOf(CorruptException.class)
                    .hasMessageContaining(ID.value());
        }
    }

    @Test
    void futureVersionsAreUnsupportedWhateverFollows() {
        assertThatThrownBy(() -> ManifestCodec.decode(file(2, "unknown"), ID))
                .isInstanceOf(UnsupportedException.class)
                .hasMessageContaining("version is 2")
                .hasMessageContaining("newer vmckpt");
    }

    @Test
    void unknownFieldsAreIgnored() throws Exception {
        String body = body(MANIFEST).replaceFirst("\\{", "{\"new\":[1],");
        assertThat(ManifestCodec.decode(file(1, body), ID)).isEqualTo(MANIFEST);
    }

    private static String body(Manifest manifest) {
        return new String(ManifestCodec.encode(manifest), StandardCharsets.UTF_8).split("\n", 3)[1];
    }

    private static byte[] file(int version, String body) {
        String head =
                "{\"format\":\"vmckpt-manifest\",\"version\":"
                        + version
                        + ",\"sha256\":\""
                        + Sha256.hex(body.getBytes(StandardCharsets.UTF_8))
                        + "\"}";
        return (head + "\n" + body + "\n").getBytes(StandardCharsets.UTF_8);
    }
}
