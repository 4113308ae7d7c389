package org.vmckpt.core.store;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;

/** Small segments and checkpoints with known content. */
final class Fixture {
    static final int PAGE = 4096;
    static final Instant TIME = Instant.parse("2026-01-02T03:04:05Z");

    private Fixture() {}

    /** Pages that zstd cannot shrink. */
    static byte[] noise(int pages, long seed) {
        byte[] bytes = new byte[pages * PAGE];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    /** A memory segment with these pages from page 0 on. */
    static SegmentName memory(Store store, byte[] content) throws VmckptException {
        try (SegmentWriter writer = store.newSegment(SegmentKind.MEMORY, PAGE, content.length)) {
            long[] pages = new long[content.length / PAGE];
            for (int i = 0; i < pages.length; i++) {
                pages[i] = i;
            }
            writer.append(pages, pages.length, ByteBuffer.wrap(content));
            return writer.finish();
        }
    }

    static Manifest manifest(SegmentName devices, SegmentName memory) {
        return manifest(CheckpointId.create(TIME), Optional.empty(), devices, memory);
    }

    static Manifest manifest(
            CheckpointId id, Optional<String> name, SegmentName devices, SegmentName memory) {
        return new Manifest(
                id,
                name,
                TIME,
                "uffd",
                new Manifest.GuestDefinition(
                        "guest",
                        "",
                        "7.2.22",
                        "",
                        "/usr/bin/qemu-system-x86_64",
                        List.of("-m", "1"),
                        "/",
                        "pc-i440fx-7.2",
                        "tcg",
                        List.of(),
                        "/run/qmp.sock",
                        1,
                        true),
                new Manifest.DeviceState(devices, 100),
                List.of(new Manifest.MemoryBlock("mem0", PAGE, PAGE, List.of(memory))),
                List.of(),
                Map.of("pauseMicros", 1L));
    }

    /** A published checkpoint of a few pages of noise. */
    static Manifest checkpoint(Store store, long seed) throws VmckptException {
        SegmentName devices = store.putBytes(SegmentKind.DEVICE, noise(1, seed + 1000));
        Manifest manifest = manifest(devices, memory(store, noise(5, seed)));
        store.publish(manifest);
        return manifest;
    }

    static byte[] read(UnitReader reader) throws VmckptException {
        ByteBuffer content = ByteBuffer.allocate((int) reader.unitCount() * reader.unitSizeBytes());
        for (long unit = 0; unit < reader.unitCount(); unit++) {
            reader.read(unit, content);
        }
        return content.array();
    }

    static Path segmentFile(Store store, SegmentName name) {
        return store.directory().resolve("segments").resolve(name + ".seg");
    }
}
