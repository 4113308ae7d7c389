package org.vmckpt.cli;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.LayeredReader;
import org.vmckpt.core.store.SegmentKind;
import org.vmckpt.core.store.SegmentWriter;
import org.vmckpt.core.store.Store;

/** Real stores with small checkpoints. */
final class StoreFixture {
    private static final int PAGE_BYTES = 4096;
    private static final int PAGES = 16;
    private static final Instant TIME = Instant.parse("2026-01-02T03:04:05Z");

    private StoreFixture() {}

    /** Publishes a checkpoint whose memory is random with this seed. */
    static Manifest checkpoint(Path directory, String name, long seed) throws VmckptException {
        try (Store store = Store.openOrCreate(directory)) {
            byte[] content = new byte[PAGES * PAGE_BYTES];
            new Random(seed).nextBytes(content);
            SegmentName devices = store.putBytes(SegmentKind.DEVICE, content);
            Manifest manifest = manifest(name, devices, List.of(memory(store, content)));
            store.publish(manifest);
            return manifest;
        }
    }

    /** Publishes a checkpoint that shares half of another one's memory. */
    static Manifest checkpointOn(Path directory, Manifest parent, String name, long seed)
            throws VmckptException {
        try (Store store = Store.openOrCreate(directory)) {
            byte[] content = new byte[PAGES / 2 * PAGE_BYTES];
            new Random(seed).nextBytes(content);
            List<SegmentName> layers = new ArrayList<>(parent.memory().getFirst().layers());
            layers.add(memory(store, content));
            Manifest manifest = manifest(name, parent.devices().segment(), layers);
            store.publish(manifest);
            return manifest;
        }
    }

    /** The memory of a checkpoint. */
    static byte[] memory(Path directory, String reference) throws VmckptException {
        try (Store store = Store.open(directory);
                LayeredReader reader =
                        store.openLayers(store.find(reference).memory().getFirst().layers())) {
            ByteBuffer content = ByteBuffer.allocate(PAGES * PAGE_BYTES);
            for (int page = 0; page < PAGES; page++) {
                reader.read(page, content);
            }
            return content.array();
        }
    }

    /** The first pages, as many as are given. */
    private static SegmentName memory(Store store, byte[] content) throws VmckptException {
        try (SegmentWriter writer =
                store.newSegment(SegmentKind.MEMORY, PAGE_BYTES, PAGES * PAGE_BYTES)) {
            long[] pages = new long[content.length / PAGE_BYTES];
            for (int i = 0; i < pages.length; i++) {
                pages[i] = i;
            }
            writer.append(pages, pages.length, ByteBuffer.wrap(content));
            return writer.finish();
        }
    }

    private static Manifest manifest(String name, SegmentName devices, List<SegmentName> memory) {
        return new Manifest(
                CheckpointId.create(TIME),
                Optional.of(name),
                TIME,
                "uffd",
                guest(),
                new Manifest.DeviceState(devices, PAGES * PAGE_BYTES),
                List.of(new Manifest.MemoryBlock("mem0", PAGES * PAGE_BYTES, PAGE_BYTES, memory)),
                List.of(),
                Map.of("pauseMicros", 3_500L));
    }

    private static Manifest.GuestDefinition guest() {
        return new Manifest.GuestDefinition(
                "web-1",
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
                true);
    }

    static Path segmentFile(Path directory, SegmentName name) {
        return directory.resolve("segments").resolve(name + ".seg");
    }
}
