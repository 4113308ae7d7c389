package org.vmckpt.core.store;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;

/** Checkpoints that build on one another, as those of a watched guest do. */
final class Chains {
    private Chains() {}

    /** A layer that holds these pages and nothing else. */
    static SegmentName layer(Store store, long pageCount, SortedMap<Integer, byte[]> pages)
            throws VmckptException {
        try (SegmentWriter writer =
                store.newSegment(SegmentKind.MEMORY, Fixture.PAGE, pageCount * Fixture.PAGE)) {
            ByteBuffer data = ByteBuffer.allocateDirect(pages.size() * Fixture.PAGE);
            pages.values().forEach(data::put);
            long[] numbers = pages.keySet().stream().mapToLong(Integer::longValue).toArray();
            writer.append(numbers, numbers.length, data.flip());
            return writer.finish();
        }
    }

    /** Some pages, some of them zeros; also puts them into the model of the guest's memory. */
    static SortedMap<Integer, byte[]> change(byte[] model, Random random, int count) {
        SortedMap<Integer, byte[]> pages = new TreeMap<>();
        for (int i = 0; i < count; i++) {
            int page = random.nextInt(model.length / Fixture.PAGE);
            byte[] content = new byte[Fixture.PAGE];
            switch (random.nextInt(3)) {
                case 0 -> Arrays.fill(content, (byte) 0);
                case 1 -> Arrays.fill(content, (byte) random.nextInt());
                default -> random.nextBytes(content);
            }
            pages.put(page, content);
            System.arraycopy(content, 0, model, page * Fixture.PAGE, Fixture.PAGE);
        }
        return pages;
    }

    /** A manifest of memory only, whose device state is shared by all. */
    static Manifest manifest(Store store, Instant at, long sizeBytes, List<SegmentName> layers)
            throws VmckptException {
        return manifest(store.putBytes(SegmentKind.DEVICE, new byte[] {1}), at, sizeBytes, layers);
    }

    private static Manifest manifest(
            SegmentName devices, Instant at, long sizeBytes, List<SegmentName> layers) {
        Manifest like =
                Fixture.manifest(CheckpointId.create(at), Optional.empty(), devices, devices);
        return new Manifest(
                like.id(),
                like.name(),
                at,
                like.engine(),
                like.guest(),
                like.devices(),
                List.of(new MemoryBlock("mem0", sizeBytes, Fixture.PAGE, layers)),
                List.of(),
                like.statistics());
    }

    /** Publishes a checkpoint that changes some pages of its parent, or of empty memory. */
    static Manifest next(Store store, Optional<Manifest> parent, byte[] model, Random random)
            throws VmckptException {
        List<SegmentName> layers = new ArrayList<>();
        parent.ifPresent(p -> layers.addAll(p.memory().getFirst().layers()));
        if (parent.isEmpty()) {
            Arrays.fill(model, (byte) 0);
        }
        int pages = model.length / Fixture.PAGE;
        layers.add(layer(store, pages, change(model, random, parent.isPresent() ? 3 : 2 * pages)));
        Instant at = parent.map(p -> p.createdAt().plusSeconds(1)).orElse(Fixture.TIME);
        Manifest manifest =
                parent.isPresent()
                        ? manifest(parent.get().devices().segment(), at, model.length, layers)
                        : manifest(store, at, model.length, layers);
        store.publish(manifest);
        return manifest;
    }

    static byte[] read(Store store, Manifest manifest) throws VmckptException {
        try (LayeredReader reader = store.openLayers(manifest.memory().getFirst().layers())) {
            return Fixture.read(reader);
        }
    }

    /** The segments that some checkpoint lists. */
    static Set<SegmentName> listed(Store store) throws VmckptException {
        Set<SegmentName> names = new TreeSet<>();
        store.list().forEach(manifest -> names.addAll(manifest.segments()));
        return names;
    }

    /** The segments whose files are there. */
    static Set<SegmentName> present(Store store) throws IOException {
        Set<SegmentName> names = new TreeSet<>();
        try (Stream<Path> files = Files.list(store.directory().resolve("segments"))) {
            files.forEach(file ->
                    names.add(new SegmentName(file.getFileName().toString().replace(".seg", ""))));
        }
        return names;
    }
}
